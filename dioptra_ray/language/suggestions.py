"""The name that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

# Matching is quadratic in length and linear in candidates: enough for people, bounded for machines.
_MAX_LENGTH = 80
_MAX_CANDIDATES = 2000


def closest(name: object, candidates: Iterable[object]) -> str | None:
    """The candidate that `name` looks most like, if any does."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_LENGTH:
        return None
    usable: list[str] = []
    for candidate in candidates:
        if len(usable) == _MAX_CANDIDATES:
            break
        if isinstance(candidate, str) and 0 < len(candidate) <= _MAX_LENGTH and candidate != name:
            usable.append(candidate)
    folded = name.casefold()
    same = next((other for other in usable if other.casefold() == folded), None)
    if same is not None:
        return same
    return next(iter(get_close_matches(name, usable, n=1, cutoff=0.7)), None)


def did_you_mean(name: object, candidates: Iterable[object]) -> str:
    """A sentence to append, with a leading blank, or nothing."""
    match = closest(name, candidates)
    return f" Did you mean {match!r}?" if match is not None else ""


class Suggestions:
    """`did_you_mean` for a whole text: looking is slow, and nobody reads hundreds of hints."""

    def __init__(self, limit: int = 100) -> None:
        self._left = limit

    def __call__(self, name: object, candidates: Iterable[object]) -> str:
        """As `did_you_mean`, until the limit is reached."""
        if self._left == 0:
            return ""
        self._left -= 1
        return did_you_mean(name, candidates)
