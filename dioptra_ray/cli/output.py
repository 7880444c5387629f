"""What commands print: JSON for scripts on stdout alone, tables and lines for people."""

import dataclasses
import functools
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from dioptra_ray.cli.wording import clean
from dioptra_ray.errors import DioptraError, InvalidDescriptionError

Format = Literal["text", "json"]
EMPTY = "-"


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """Where a command's results go."""

    format: str

    @property
    def is_json(self) -> bool:
        """Whether a script reads it."""
        return self.format == "json"

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches what is printed while it is printed."""
        return (sys.stderr if self.is_json else sys.stdout).isatty()

    def json(self, value: Any) -> None:
        """Print a result as one JSON document."""
        click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))

    def json_line(self, value: Any) -> None:
        """Print one of several results as a line of JSON."""
        click.echo(json.dumps(plain(value), ensure_ascii=False, allow_nan=False))

    def line(self, text: str = "") -> None:
        """Print a line for people: out of the way when a script reads stdout."""
        click.echo(text, err=self.is_json)

    def note(self, text: str) -> None:
        """Print what is no result, such as what is being done."""
        click.echo(text, err=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a table for people."""
        cells = [[" ".join(cell(value).split("\n")) for value in row] for row in rows]
        if self.is_terminal and not self.is_json:
            from dioptra_ray.cli.terminal import print_table  # noqa: PLC0415 - rich is slow

            print_table(columns, cells)
        else:
            _print_aligned(columns, cells)

    def fields(self, values: Mapping[str, Any]) -> None:
        """Print names and values, one a line; those without a value are left out."""
        shown = {name: cell(value) for name, value in values.items() if value not in (None, "")}
        width = max((len(name) for name in shown), default=0)
        for name, text in shown.items():
            first, *others = text.split("\n")
            self.line(f"{name:<{width}}  {first}")
            for line in others:
                self.line(f"{'':<{width}}  {line}".rstrip())


def with_output(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--format` and, as `output`, where its results go."""

    @click.option(
        "--format",
        "format_",
        type=click.Choice(["text", "json"]),
        default="text",
        help="How results are printed.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, format_: str, **kwargs: Any) -> Any:
        output = Output(format_)
        try:
            return function(*args, output=output, **kwargs)
        except DioptraError as error:
            if output.is_json:
                output.json({"error": describe_error(error)})
            raise

    return wrapper


def describe_error(error: DioptraError) -> dict[str, Any]:
    """An error as a script reads it."""
    described: dict[str, Any] = {"reason": error.reason, "message": error.message}
    if isinstance(error, InvalidDescriptionError):
        described["issues"] = list(error.issues)
    return described


def plain(value: Any) -> Any:
    """A value as JSON can say it; NaN and the infinities become strings, as in protobuf."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def cell(value: Any) -> str:
    """A value as people read it in a table."""
    if value is None or value == "":
        return EMPTY
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(plain(value), ensure_ascii=False) if value else EMPTY
    return clean(value if isinstance(value, str) else str(value))


def seconds(value: float | None) -> str:
    """A duration as people read it."""
    if value is None:
        return EMPTY
    if value < 0.1:  # noqa: PLR2004 - a tenth
        return f"{value * 1000:.1f}ms"
    if value < 60:  # noqa: PLR2004 - a minute
        return f"{value:.1f}s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"


def between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds between two times; None when one is not known."""
    return (end - start).total_seconds() if start and end else None


def _print_aligned(columns: Sequence[str], rows: list[list[str]]) -> None:
    lines = [[column.upper() for column in columns], *rows]
    widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
