"""Any text is a description or is refused with reasons, in bounded time."""

import json
import random

import yaml

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import load, validate
from dioptra_ray.language.render import issues_to_json, issues_to_text
from dioptra_ray.language.swaps import render, swap_choices
from tests.fuzz import corpus
from tests.fuzz.conftest import Fuzz

KNOWN = {"A": {"n": {"type": "integer"}}}


def check(data: bytes) -> None:
    for name in ("x.yaml", "x.json"):
        try:
            description = load(data, file=name)
        except InvalidDescriptionError as error:
            issues = list(error.issues)
            description = None
        if description is None:
            assert issues
            assert all(issue.line and issue.column for issue in issues)
        else:
            issues = validate(description, KNOWN)
            check_choices(description)
        issues_to_text(issues, data.decode("utf-8", "replace"))
        json.dumps(issues_to_json(issues)).encode()


def check_choices(description: object) -> None:
    choices = {name: aliases[0] for name, aliases in swap_choices(description).items() if aliases}
    try:
        rendered = render(description, choices)
    except InvalidDescriptionError as error:
        issues = error.issues
    else:
        validate(rendered, KNOWN)
        return
    assert issues


def test_noise(fuzz: Fuzz) -> None:
    fuzz(lambda rng: rng.choice([corpus.noise, corpus.pieces])(rng), check)


def test_bombs(fuzz: Fuzz) -> None:
    fuzz(lambda rng: rng.choice([corpus.bomb, corpus.deep])(rng), check)


def test_spoiled_descriptions(fuzz: Fuzz) -> None:
    fuzz(lambda rng: corpus.mutate(corpus.DESCRIPTION, rng), check)


def test_spoiled_json(fuzz: Fuzz) -> None:
    text = json.dumps(yaml.safe_load(corpus.DESCRIPTION.replace(b"2001-01-01", b"x"))).encode()
    fuzz(lambda rng: corpus.mutate(text, rng), check)


def test_spoiled_values(fuzz: Fuzz) -> None:
    """Texts that are good YAML whatever was done, so that validation sees the damage."""
    fuzz(spoil, check)


def spoil(rng: random.Random) -> bytes:
    description = yaml.safe_load(corpus.DESCRIPTION)
    for _ in range(rng.choice([1, 1, 2, 4])):
        spots = list(walk(description))
        holder, key = rng.choice(spots)
        _, (source, other) = rng.choice(spots), rng.choice(spots)
        what = rng.randrange(4)
        if what == 0:
            holder[key] = rng.choice([None, {}, [], "", 0, True, "$s", "$w.p", "?swap", [[]], -1.5])
        elif what == 1:
            # Copied through text, since YAML would write what is shared as an alias.
            holder[key] = yaml.safe_load(yaml.safe_dump(source[other]))
        elif what == 2 and isinstance(holder, dict):
            holder[rng.choice([None, 1, "", "task", "?swap", "dependencies", "a.b"])] = holder.pop(
                key
            )
        else:
            del holder[key]
    return yaml.safe_dump(description, sort_keys=False).encode()


def walk(value):
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in list(entries):
        yield value, key
        if isinstance(part, dict | list):
            yield from walk(part)
