"""Every example of docs/language.md does what the page says of it.

The word after `yaml` says what: `valid` has no issues, `run` runs too and gives the outputs
that the `json` block after it shows, `wrong` has exactly the issues named after it. An example
without `tasks` uses those of the page's first block.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import Issue, load, validate
from dioptra_ray.language.swaps import render
from dioptra_ray.local import run
from dioptra_ray.planning import PlanOptions, compile_plan
from tests.docs.conftest import DOCS, Example, examples

PAGE = examples("language.md")
SHARED = yaml.safe_load(next(e.text for e in PAGE if e.words == ("shared",)))
SOURCE = next(e.text for e in PAGE if e.language == "python" and e.words == ("plugin",))
KNOWN = {"Text": {"suffix": {"type": "string"}}, "Broken": {"suffix": 5}}
ROOT = Path(__file__).parents[2]


def of_kind(*kinds: str) -> Any:
    found = [e for e in PAGE if e.language in ("yaml", "json") and e.kind in kinds]
    assert found
    return pytest.mark.parametrize("example", found, ids=lambda e: f"line {e.line}")


def read(example: Example) -> Any:
    loaded = load(example.text + "\n", file=f"x.{example.language}")
    return loaded if "tasks" in loaded else {**SHARED, **loaded}


def choices_of(example: Example) -> dict[str, str]:
    return dict(word.split("=") for word in example.words if "=" in word)


def find_issues(example: Example) -> list[Issue]:
    try:
        description = read(example)
        if choices := choices_of(example):
            description = render(description, choices)
    except InvalidDescriptionError as error:
        return list(error.issues)
    return validate(description, KNOWN)


@of_kind("valid", "run")
def test_good_examples_have_no_issues(example: Example) -> None:
    assert find_issues(example) == []


@pytest.mark.parametrize(
    "example",
    [e for e in PAGE if e.language == "python" and e.kind == "wrong"],
    ids=lambda e: f"line {e.line}",
)
def test_what_cannot_be_shown_as_text(example: Example) -> None:
    try:
        issues = eval(example.text, {"load": load, "validate": validate})
    except InvalidDescriptionError as error:
        issues = error.issues
    assert [issue.code for issue in issues] == list(example.words[1:])


@of_kind("wrong")
def test_wrong_examples_have_the_issues_that_are_named(example: Example) -> None:
    expected = Counter(word for word in example.words[1:] if "=" not in word)
    assert Counter(issue.code for issue in find_issues(example)) == expected


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins" / "demo"
    folder.mkdir(parents=True)
    (folder / "tasks.py").write_text(SOURCE)
    return folder.parent


@of_kind("run")
def test_examples_run_and_give_what_is_shown(example: Example, plugins: Path) -> None:
    result = run(
        read(example),
        plugins_dir=plugins,
        swaps=choices_of(example),
        artifact_tasks={"Text": "demo.tasks.Text"},
    )
    shown = PAGE[PAGE.index(example) + 1]
    assert (shown.language, shown.kind) == ("json", "gives")
    expected = json.loads(shown.text)
    assert expected
    for name, value in expected.items():
        if name in result.artifacts:
            assert result.artifacts[name].read_text() == value
        else:
            assert result.steps[name] == value


@of_kind("valid", "run")
def test_good_examples_can_be_planned(example: Example) -> None:
    description = read(example)
    if any(key.startswith("?") for step in description["graph"].values() for key in step):
        choices = choices_of(example)
        assert choices, "say which alternatives the test shall choose"
        description = render(description, choices)
    assert compile_plan(description, PlanOptions(artifact_tasks={"Text": "demo.tasks.Text"})).stages


def test_every_code_has_an_example() -> None:
    shown = {word for e in PAGE if e.kind == "wrong" for word in e.words[1:]}
    assert codes_of_language() - shown == set()


def test_every_code_of_registrations_is_explained() -> None:
    text = (DOCS / "language.md").read_text(encoding="utf-8")
    found = codes_in("project") | codes_in("plugins")
    assert {code for code in found if f"`{code}`" not in text} == set()


def codes_of_language() -> set[str]:
    """The codes in the source, those that are put together spelled out."""
    found = codes_in("language") - {"type.malformed", "type.not_found"}  # of the Python API only
    cases = (ROOT / "tests/conformance/cases/validation.jsonl").read_text().splitlines()
    found |= {issue["kind"] for case in cases for issue in json.loads(case)["issues"]}
    return found


def codes_in(package: str) -> set[str]:
    quoted = re.compile(rf'"((?:{"|".join(PREFIXES)})\.[a-z_@]+|schema)"')
    files = (ROOT / "dioptra_ray" / package).rglob("*.py")
    return {code for file in files for code in quoted.findall(file.read_text(encoding="utf-8"))}


PREFIXES = [
    *("syntax", "description", "name", "task", "step", "call", "ref", "param", "type", "arg"),
    *("artifact_input", "artifact_task", "execution", "swap"),
    *("registration", "toml", "project", "python", "entrypoint"),
]
