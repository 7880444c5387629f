"""Draws a graph beside a list of its steps, one line a step, as version control does.

The output of a step runs down a lane until the last step that follows it:

    ●     load
    ├─●   clean
    ●─╯   report

Steps right below each other in one lane follow one another; others never stand so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

NODE = "●"
_JOINTS = {
    # (ends here, goes left, goes right)
    (True, True, False): "╯",
    (True, False, True): "╰",
    (True, True, True): "┴",
    (False, True, False): "┤",
    (False, False, True): "├",
    (False, True, True): "┼",
}


def draw(after: Mapping[str, Sequence[str]]) -> list[str]:
    """One text for each step, all of one length.

    Args:
        after: The steps that each step directly follows, in an order of execution.
    """
    followers = Counter(name for names in after.values() for name in set(names))
    lanes: list[str | None] = []
    dead_end = -1
    rows = []
    for step, names in after.items():
        joined = [lane for lane, name in enumerate(lanes) if name is not None and name in names]
        followers.subtract(set(names))
        ending = [lane for lane in joined if not followers[lanes[lane] or ""]]
        lane = ending[0] if ending else _free(lanes, max(joined, default=-1) + 1, dead_end)
        lanes += [None] * (lane + 1 - len(lanes))
        rows.append(_row(lanes, joined, ending, lane))
        for one in ending:
            lanes[one] = None
        lanes[lane] = step if followers[step] else None
        dead_end = -1 if followers[step] else lane
    width = max(map(len, rows), default=0)
    return [row.ljust(width) for row in rows]


def _free(lanes: Sequence[str | None], first: int, dead_end: int) -> int:
    """The first lane from one on that is free, and not right below a step that ended it."""
    for lane in range(first, len(lanes)):
        if lanes[lane] is None and lane != dead_end:
            return lane
    last = max(first, len(lanes))
    return last if last != dead_end else last + 1


def _row(
    lanes: Sequence[str | None], joined: Sequence[int], ending: Sequence[int], node: int
) -> str:
    left, right = min([*joined, node]), max([*joined, node])
    cells = []
    for lane, name in enumerate(lanes):
        if lane == node:
            cells.append(NODE)
        elif lane in joined:
            cells.append(_JOINTS[lane in ending, lane > left, lane < right])
        elif name is not None:
            cells.append("│")
        else:
            cells.append("─" if left < lane < right else " ")
        cells.append("─" if left <= lane < right else " ")
    return "".join(cells).rstrip()
