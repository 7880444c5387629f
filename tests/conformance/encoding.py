"""Values as the cases write them; also the source of a plugin that records them."""

from collections.abc import Mapping
from pathlib import Path
from types import GeneratorType
from typing import Any


def encode(value: Any) -> Any:
    """A value as the cases write it."""
    plain: Any = value
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            plain = {key: encode(item) for key, item in value.items()}
        else:
            plain = {"$items": [[encode(key), encode(item)] for key, item in value.items()]}
    elif isinstance(value, list):
        plain = [encode(item) for item in value]
    elif isinstance(value, tuple):
        plain = {"$tuple": [encode(item) for item in value]}
    elif isinstance(value, set | frozenset):
        plain = {"$set": sorted(map(encode, value), key=repr)}
    elif isinstance(value, bytes):
        plain = {"$bytes": list(value)}
    elif isinstance(value, Path):
        plain = {"$path": value.as_posix()}
    elif isinstance(value, GeneratorType):
        plain = {"$generator": value.__name__}
    elif not isinstance(value, str | int | float | None):
        plain = {"$object": type(value).__name__}
    return plain
