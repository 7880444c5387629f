"""Text on its way to a terminal: what others have said cannot steer it, and counts read well."""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

_SEQUENCE: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, and moves of the cursor
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links, the clipboard
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


WHERE_PLUGINS_ARE: Final = (
    "If its plugins are in a folder, name it with --plugins DIR; in a project, the dioptra.toml "
    "above the file has to declare the file and its plugins."
)


class Styled(str):
    """Text of ours, which may hold colours."""

    __slots__ = ()


def clean(text: str) -> str:
    """A text of somebody else without what steers terminals; tabs and line ends stay."""
    if isinstance(text, Styled) or text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", " ")
    return _CONTROL.sub("", _SEQUENCE.sub("", text))


def place(uri: str) -> str:
    """Where something lies: of files the path, which people can open."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme == "file" else uri


def count(number: int, noun: str) -> str:
    """A number of things: 1 error, 2 errors."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
