"""Places in a description: a tuple of keys and indices, and its JSON path.

    ("graph", "train", "model", 0)  <->  $.graph.train.model[0]

Keys that are not plain words are quoted: `$.graph["step one"]`.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

Path = tuple[Any, ...]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(
    r"\.(?P<word>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<json>\"(?:[^\"\\]|\\.)*\"|[^\]\"]*)\]"
)


def to_json_path(path: Iterable[Any]) -> str:
    """The JSON path of a place."""
    return "$" + "".join(map(_to_text, path))


def from_json_path(text: str) -> Path:
    """The place that a JSON path names.

    Raises:
        ValueError: It is not a path as `to_json_path` writes it.
    """
    if not text.startswith("$"):
        raise ValueError(f"A JSON path starts with $: {text!r}")
    parts: list[Any] = []
    position = 1
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise ValueError(f"Not a JSON path: {text!r}")
        parts.append(match["word"] if match["word"] is not None else json.loads(match["json"]))
        position = match.end()
    return tuple(parts)


def _to_text(part: Any) -> str:
    if isinstance(part, str):
        return f".{part}" if _WORD.fullmatch(part) else f"[{json.dumps(part, ensure_ascii=False)}]"
    if part is None or isinstance(part, bool | int | float):
        return f"[{json.dumps(part)}]"
    return f"[{json.dumps(str(part), ensure_ascii=False)}]"
