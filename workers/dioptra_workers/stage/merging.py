"""From the deltas of all stages before one to the files that it finds. Pure.

Deltas are laid over each other in the plan's order, so whoever comes later wins. That is
right where the later stage knew what the earlier one had done. Where neither knew of the
other, and they left different things at one path, that is a conflict: the later one in the
plan's order still wins, as in Dioptra, where its steps would have run later; except that a
change wins over a deletion. The first stage that sees both says so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dioptra_workers.stage.delta import Delta, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lies at a path, and whose it is."""

    entry: Entry
    delta: Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Stages that ran side by side left different things at one path.

    Attributes:
        path: The path.
        winner: The stage whose version is found.
        losers: The others.
    """

    path: str
    winner: Delta
    losers: tuple[Delta, ...]

    def __str__(self) -> str:
        """For the job's log."""
        others = " and ".join(loser.label for loser in self.losers)
        return (
            f"{self.path} was changed by stages that ran side by side: {self.winner.label}, whose "
            f"version is found from here on, and {others}, whose version is lost. Let each write "
            "files of its own, or let one depend on the other."
        )


def merge(deltas: Sequence[Delta]) -> tuple[dict[str, Found], tuple[Conflict, ...]]:
    """What is found at each path, with "gone" for what must not be; and new conflicts.

    Args:
        deltas: Of all stages before this one, in the plan's order.
    """
    merging = _Merging()
    for delta in deltas:
        merging.add(delta)
    conflicts = []
    for path, clashes in merging.clashes.items():
        news = [clash for clash in clashes if not _is_known(clash, deltas)]
        if news:
            winner = news[-1].winner
            sides = {side.stage: side for clash in news for side in (clash.loser, clash.winner)}
            del sides[winner.stage]
            conflicts.append(Conflict(path=path, winner=winner, losers=tuple(sides.values())))
    return merging.tree, tuple(conflicts)


@dataclass(frozen=True, slots=True)
class _Clash:
    winner: Delta
    loser: Delta


def _is_known(clash: _Clash, deltas: Sequence[Delta]) -> bool:
    """Whether a stage before this one has seen both already."""
    both = {clash.winner.stage, clash.loser.stage}
    return any(both <= set(delta.after) for delta in deltas)


class _Merging:
    """Lays one delta after another over what there is."""

    def __init__(self) -> None:
        self.tree: dict[str, Found] = {}
        self.clashes: dict[str, list[_Clash]] = {}
        self._held: Counter[str] = Counter()
        """How many entries there are in each folder."""

    def add(self, delta: Delta) -> None:
        # From below: a folder is gone once nothing is left in it.
        for entry in reversed(delta.entries):
            if entry.kind == "gone":
                self._delete(entry, delta)
        for entry in delta.entries:
            if entry.kind != "gone":
                self._put(entry, delta)

    def _delete(self, entry: Entry, delta: Delta) -> None:
        found = self.tree.get(entry.path)
        if found is not None and _are_at_odds(found, entry, delta):
            if found.entry.kind != "folder":
                self._clash(entry.path, winner=found.delta, loser=delta)
            return
        if not self._held[entry.path]:
            self._set(entry, delta)

    def _put(self, entry: Entry, delta: Delta) -> None:
        found = self.tree.get(entry.path)
        if found is not None and _are_at_odds(found, entry, delta):
            self._clash(entry.path, winner=delta, loser=found.delta)
        if entry.kind != "folder" and self._held[entry.path]:
            self._empty(entry.path, delta)
        self._make_way(entry.path, delta)
        self._set(entry, delta)

    def _set(self, entry: Entry, delta: Delta) -> None:
        found = self.tree.get(entry.path)
        was = found is not None and found.entry.kind != "gone"
        self._held[entry.path.rpartition("/")[0]] += (entry.kind != "gone") - was
        self.tree[entry.path] = Found(entry=entry, delta=delta)

    def _clash(self, path: str, *, winner: Delta, loser: Delta) -> None:
        self.clashes.setdefault(path, []).append(_Clash(winner, loser))

    def _empty(self, folder: str, delta: Delta) -> None:
        """A folder becomes something else: what others have put into it goes."""
        for path, found in tuple(self.tree.items()):
            if path.startswith(f"{folder}/") and found.entry.kind != "gone":
                if _is_parallel(found.delta, delta):
                    self._clash(path, winner=delta, loser=found.delta)
                self._set(Entry(path=path, kind="gone"), delta)

    def _make_way(self, path: str, delta: Delta) -> None:
        """What lies above a path must be a folder."""
        while "/" in path:
            path = path.rpartition("/")[0]
            found = self.tree.get(path)
            if found is None or found.entry.kind == "folder":
                continue
            if found.entry.kind != "gone":
                self._clash(path, winner=delta, loser=found.delta)
            self._set(Entry(path=path, kind="folder", mode=0o755), delta)


def _is_parallel(earlier: Delta, later: Delta) -> bool:
    return earlier.stage != later.stage and earlier.stage not in later.after


def _are_at_odds(found: Found, entry: Entry, delta: Delta) -> bool:
    if not _is_parallel(found.delta, delta):
        return False
    one, other = found.entry, entry
    if one.kind != other.kind:
        return True
    if one.kind == "link":
        return one.target != other.target
    if one.kind != "file":
        return False
    if one.stored is None or other.stored is None:
        either = one.stored is not None or other.stored is not None
        return either or found.delta.content_of(one) != delta.content_of(other)
    same = one.stored.content.digest == other.stored.content.digest
    return not (same and one.stored.extents == other.stored.extents)
