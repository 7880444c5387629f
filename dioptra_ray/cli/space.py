"""`--param eps=0,0.1,0.2`: the dimensions of a sweep, as text."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import click

MAX_VALUES: Final = 100_000
_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE: Final = re.compile(rf"({_NUMBER}):({_NUMBER}):({_NUMBER})")
_OPENING: Final = "[{"
_CLOSING: Final = "]}"


def parse_space(texts: Iterable[str]) -> dict[str, list[str]]:
    """Read dimensions: NAME=VALUE,VALUE,... where a value may be a range START:END:STEP.

    A range holds its end if a step falls on it. Commas inside brackets, braces and double
    quotes do not separate values, so that lists and mappings can be values too.

    Raises:
        click.BadParameter: One is not of that form, or a name is given twice.
    """
    space: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name or not values:
            raise _refusal(f"{text!r} is not NAME=VALUE,VALUE,...")
        if name in space:
            raise _refusal(f"{name!r} is given twice: give all of its values at once")
        space[name] = [value for part in _split(values) for value in _expand(part)]
    return space


def add_swaps(
    space: dict[str, list[str]], swaps: dict[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The space with a dimension for each swap that is given several aliases, and the others.

    Raises:
        click.BadParameter: A swap has no alias, or is a dimension already.
    """
    chosen = {}
    for name, text in swaps.items():
        aliases = text.split(",")
        if not all(aliases):
            raise click.BadParameter(f"{name!r} is not given an alias", param_hint="--swap")
        if f"?{name}" in space:
            raise click.BadParameter(f"{name!r} is given with --param too", param_hint="--swap")
        if len(aliases) == 1:
            chosen[name] = text
        else:
            space = {**space, f"?{name}": aliases}
    return space, chosen


def _split(text: str) -> Iterator[str]:
    depth, quoted, start = 0, False, 0
    previous = ""
    for index, char in enumerate(text):
        if char == '"' and previous != "\\":
            quoted = not quoted
        elif not quoted and char in _OPENING:
            depth += 1
        elif not quoted and char in _CLOSING:
            depth -= 1
        elif char == "," and not quoted and depth <= 0:
            yield text[start:index]
            start = index + 1
        previous = char
    yield text[start:]


def _expand(text: str) -> Iterator[str]:
    match = _RANGE.fullmatch(text)
    if match is None:
        yield text
        return
    # Decimals, since 0.05 + 0.05 + 0.05 has to be 0.15.
    start, end, step = (Decimal(part) for part in match.groups())
    if step == 0 or (end - start) * step < 0:
        raise _refusal(f"the range {text!r} never gets from its start to its end")
    count = int((end - start) / step) + 1
    if count > MAX_VALUES:
        raise _refusal(f"the range {text!r} has {count} values, and at most {MAX_VALUES} may be")
    for index in range(count):
        value = format(start + index * step, "f")
        yield value.rstrip("0").rstrip(".") if "." in value else value


def _refusal(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--param")
