"""Where each value of a TOML text stands, for messages.

`tomllib` reads values and forgets where they were. This scanner is its other half: it runs
on text that `tomllib` has accepted, so it needs to follow the structure but not to judge it.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Final

Path = tuple[str | int, ...]
Position = tuple[int, int]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_STRING: Final = r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
_KEY: Final = re.compile(rf"[A-Za-z0-9_-]+|{_STRING}", re.DOTALL)
_VALUE: Final = re.compile(rf"{_STRING}|[^,\]}}#\n]+", re.DOTALL)
_QUOTES: Final = ('"', "'")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def locate(text: str) -> Mapping[Path, Position]:
    """Line and column, both from 1, of every table, key and item of a valid TOML text."""
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, Position] = {(): (1, 1)}
        self.counts: dict[Path, int] = {}
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def run(self) -> Mapping[Path, Position]:
        table: Path = ()
        while self._skip(_BLANK):
            start = self.at
            if self.text.startswith("[", start):
                is_array = self.text.startswith("[[", start)
                self.at += 2 if is_array else 1
                table = self._open_table(self._key(), is_array=is_array)
                self._note(table, start)
                self._skip(_SPACE)
                self.at += 2 if is_array else 1
            else:
                self._pair(table)
        return self.found

    def _open_table(self, key: list[str], *, is_array: bool) -> Path:
        path: Path = ()
        for part in key[:-1]:
            path = self._latest((*path, part))
        path = (*path, key[-1])
        if not is_array:
            return self._latest(path)
        self.found.setdefault(path, self._position(self.at))
        self.counts[path] = self.counts.get(path, -1) + 1
        return (*path, self.counts[path])

    def _latest(self, path: Path) -> Path:
        """The newest item, where `path` is an array of tables."""
        return (*path, self.counts[path]) if path in self.counts else path

    def _pair(self, table: Path) -> None:
        start = self.at
        path = table
        for part in self._key():
            path = (*path, part)
            self._note(path, start)
        self._skip(_SPACE)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            key = self._take(_KEY)
            parts.append(_unquote(key) if key[:1] in _QUOTES else key)
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _value(self, path: Path) -> None:
        if self.text.startswith("[", self.at):
            self._array(path)
        elif self.text.startswith("{", self.at):
            self._inline_table(path)
        else:
            self._take(_VALUE)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._skip(_BLANK) and not self.text.startswith("]", self.at):
            self._note((*path, index), self.at)
            self._value((*path, index))
            index += 1
            self._skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self._skip(_BLANK) and not self.text.startswith("}", self.at):
            self._pair(path)
            self._skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
        self.at += 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            line, column = self._position(self.at)
            raise ValueError(f"Not TOML at line {line}, column {column}.")
        self.at = match.end()
        return match.group()

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.text)

    def _note(self, path: Path, offset: int) -> None:
        self.found.setdefault(path, self._position(offset))

    def _position(self, offset: int) -> Position:
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1


def _unquote(quoted: str) -> str:
    if quoted.startswith("'"):
        return quoted[1:-1]

    def replace(match: re.Match[str]) -> str:
        short, long, single = match.groups()
        return chr(int(short or long, 16)) if short or long else _ESCAPED.get(single, single)

    return _ESCAPE.sub(replace, quoted[1:-1])


def nearest(positions: Mapping[Path, Position], path: tuple[Any, ...]) -> Position | None:
    """The position of `path`, or of what holds it."""
    while path and path not in positions:
        path = path[:-1]
    return positions.get(path)
