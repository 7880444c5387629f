"""Reading a description from YAML or JSON, with the position of every part kept."""

import codecs
from pathlib import Path
from typing import Any

from dioptra_ray.errors import InvalidDescriptionError, InvalidRequestError, NotFoundError
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.json_reader import read_json
from dioptra_ray.language.limits import MAX_TEXT
from dioptra_ray.language.positions import PositionedMapping
from dioptra_ray.language.yaml_reader import Document, read_yaml

# No file system has longer names.
_MAX_FILE_NAME = 4096


def load(text_or_path: str | bytes | Path, *, file: str | None = None) -> PositionedMapping:
    """Read a description.

    Args:
        text_or_path: The text itself, or the path of a file. A string without line breaks
            that names an existing file is a path, unless `file` is given.
        file: What to call the text in messages.

    Returns:
        The description; `dioptra_ray.language.positions.position_of` knows its places.

    Raises:
        InvalidDescriptionError: The text is not a mapping in YAML or JSON, or is too large;
            `issues` says where.
        NotFoundError: There is no such file.
    """
    path = _as_path(text_or_path, file)
    content = text_or_path if path is None else _read_file(path)
    name = file if file is not None or path is None else str(path)
    document = _read(content, path.suffix.lower() if path is not None else "", name)
    if not document.issues and not isinstance(document.value, dict):
        document = Document(issues=(_not_a_mapping(document.value, name),))
    if document.issues:
        raise _refusal(document.issues)
    return PositionedMapping(document.value, locate=document.locate, file=name)


def _as_path(text_or_path: str | bytes | Path, file: str | None) -> Path | None:
    if isinstance(text_or_path, Path):
        return text_or_path
    if isinstance(text_or_path, bytes) or file is not None:
        return None
    if "\n" in text_or_path or "\0" in text_or_path or len(text_or_path) > _MAX_FILE_NAME:
        return None
    path = Path(text_or_path)
    try:
        return path if path.is_file() else None
    except OSError:
        return None


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_TEXT + 1)
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {str(path)!r}.", file=str(path)) from None
    except OSError as error:
        raise InvalidRequestError(
            f"The file {str(path)!r} cannot be read: {error.strerror}.", file=str(path)
        ) from None


def _read(content: str | bytes | Path, suffix: str, name: str | None) -> Document:
    text = content if isinstance(content, str) else _decode(content)
    if text is None:
        return _problem("syntax.encoding", "The text is not UTF-8.", name)
    if len(text) > MAX_TEXT:
        message = f"The text is longer than {MAX_TEXT} characters."
        return _problem("syntax.too_large", message, name)
    text = text.removeprefix("\ufeff")
    if suffix == ".json":
        return read_json(text, file=name)
    if suffix not in (".yaml", ".yml") and text.lstrip().startswith("{"):
        document = read_json(text, file=name)
        if not any(issue.code == "syntax.invalid" for issue in document.issues):
            return document
    return read_yaml(text, file=name)


def _decode(content: Any) -> str | None:
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return str(content, "utf-16")
        return str(content, "utf-8")
    except UnicodeDecodeError:
        return None


def _not_a_mapping(value: Any, name: str | None) -> Issue:
    if value is None:
        message = "The text is empty; a description has at least `tasks` and `graph`."
    else:
        message = (
            f"A description is a mapping with `tasks` and `graph`, not a {type(value).__name__}."
        )
    if isinstance(value, str) and name is None:
        message += " (There is no file of that name either.)"
    return Issue(
        severity="error", code="syntax.not_a_mapping", message=message, line=1, column=1, file=name
    )


def _problem(code: str, message: str, file: str | None) -> Document:
    return Document(
        issues=(Issue(severity="error", code=code, message=message, line=1, column=1, file=file),)
    )


def _refusal(issues: tuple[Issue, ...]) -> InvalidDescriptionError:
    first = issues[0]
    place = f"{first.file or 'line'}{':' if first.file else ' '}{first.line}:{first.column}: "
    more = f" ({len(issues) - 1} more)" if len(issues) > 1 else ""
    return InvalidDescriptionError(f"{place}{first.message}{more}", issues)
