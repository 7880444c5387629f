"""Which runners live, for controllers that they are not connected to.

A controller that has heard of its runners counts up a number in their rows. Another one
looks at these numbers every second: whoever's number has changed lives. So each needs its
own clock only, and no two clocks need to agree.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.engine import Database
from dioptra_controller.database.job_tables import JOBS, RUNNERS
from dioptra_controller.jobs.state import JobState
from dioptra_controller.scheduling.runners import Node, RunnerInfo
from dioptra_controller.scheduling.sessions import Introduction, Session, Sessions

_STARTED = JOBS.c.state == JobState.STARTED.value
_BEAT = {RUNNERS.c.beat: RUNNERS.c.beat + 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the rows of runners say at a moment.

    Attributes:
        beats: The numbers of all runners that hold leases.
        others: The runners that are connected to other controllers.
    """

    beats: Mapping[str, int]
    others: Sequence[RunnerInfo]


class Presence:
    """The runners of other controllers, and our own as others see them.

    Args:
        database: Where their rows are.
        controller: Id of this controller.
        sessions: The runners that are connected here, and the clocks of all.
    """

    def __init__(
        self,
        database: Database,
        controller: str,
        sessions: Sessions,
    ) -> None:
        self._database = database
        self._controller = controller
        self._sessions = sessions
        self._heard: dict[str, Session] = {}
        self._left: set[str] = set()
        self._beats: Mapping[str, int] = {}
        self.others: Sequence[RunnerInfo] = ()

    def heard(self, session: Session) -> None:
        """A runner said something."""
        self._heard[session.introduction.runner_id] = session

    def left(self, session: Session) -> None:
        """The stream of a runner has ended."""
        runner_id = session.introduction.runner_id
        self._heard.pop(runner_id, None)
        self._left.add(runner_id)

    async def tell(self, *, now: dt.datetime) -> None:
        """Let other controllers know whom we have heard of since the last time."""
        heard, left = dict(self._heard), set(self._left)
        if not heard and not left:
            return
        await self._database.write(
            _beat,
            self._controller,
            {runner_id: describe(session.describe()) for runner_id, session in heard.items()},
            left,
            now=now,
        )
        # Only what was told: somebody may have said something again meanwhile.
        self._left -= left
        for runner_id, session in heard.items():
            if self._heard.get(runner_id) is session:
                del self._heard[runner_id]

    async def look(self, *, now: dt.datetime, lease_seconds: float) -> Mapping[str, int]:
        """See who lives, and give the numbers of those that hold leases."""
        fresh = now - dt.timedelta(seconds=lease_seconds)
        view = await self._database.read(_look, self._controller, fresh=fresh)
        self._sessions.heard_of(
            runner_id
            for runner_id, beat in view.beats.items()
            if self._beats.get(runner_id) != beat
        )
        self._beats = view.beats
        self.others = view.others
        return view.beats


def attach(connection: sa.Connection, who: Introduction, *, now: dt.datetime) -> int:
    """Note which controller a runner has come to, and return its number; its row exists."""
    described = RunnerInfo(
        runner_id=who.runner_id,
        name=who.name,
        queues=who.queues,
        slots=who.slots,
        resources=who.resources,
        nodes=who.nodes,
        ray_address=who.ray_address,
        last_seen=now,
    )
    beat = connection.execute(
        sa.update(RUNNERS)
        .where(RUNNERS.c.runner_id == who.runner_id)
        .values(_BEAT)
        .values(controller=who.controller, seen_time=now, description=describe(described))
        .returning(RUNNERS.c.beat)
    ).scalar_one()
    return int(beat)


def confirm_silence(
    connection: sa.Connection,
    runner_ids: Iterable[str],
    controller: str,
    beats: Mapping[str, int] | None,
) -> dict[str, int]:
    """Lock the rows of runners, and give those that nobody has heard of since `beats`.

    Of those that held no lease then, only their own controller can tell.
    Their numbers change with it, so that nobody else takes the same jobs back.

    Returns:
        The new numbers, by runner.
    """
    query = (
        sa.select(RUNNERS.c.runner_id, RUNNERS.c.controller, RUNNERS.c.beat)
        .where(RUNNERS.c.runner_id.in_(sorted(runner_ids)))
        .order_by(RUNNERS.c.runner_id)
        .with_for_update()
    )
    rows = connection.execute(query).all()

    def is_silent(row: Any) -> bool:
        if beats is None:
            return True
        if row.runner_id in beats:
            return bool(beats[row.runner_id] == row.beat)
        return row.controller in {None, controller}

    silent = {row.runner_id: row.beat + 1 for row in rows if is_silent(row)}
    connection.execute(
        sa.update(RUNNERS)
        .where(RUNNERS.c.runner_id.in_(silent))
        .values(_BEAT)
        .values(controller=None)
    )
    return silent


def describe(runner: RunnerInfo) -> str:
    """What other controllers show of a runner, as JSON."""
    content = {
        "queues": runner.queues,
        "slots": runner.slots,
        "resources": dict(runner.resources),
        "ray_address": runner.ray_address,
        "nodes": [asdict(node) for node in runner.nodes],
    }
    return json.dumps(content, separators=(",", ":"))


def _beat(
    connection: sa.Connection,
    controller: str,
    heard: Mapping[str, str],
    left: Iterable[str],
    *,
    now: dt.datetime,
) -> None:
    ours = RUNNERS.c.controller == controller
    # In one order, as two controllers may have the same runner for a moment.
    for runner_id, description in sorted(heard.items()):
        connection.execute(
            sa.update(RUNNERS)
            .where(ours, RUNNERS.c.runner_id == runner_id)
            .values(_BEAT)
            .values(seen_time=now, description=description)
        )
    gone = sorted(set(left) - heard.keys())
    if gone:
        connection.execute(
            sa.update(RUNNERS).where(ours, RUNNERS.c.runner_id.in_(gone)).values(controller=None)
        )


def _look(connection: sa.Connection, controller: str, *, fresh: dt.datetime) -> View:
    counts = sa.select(JOBS.c.runner_id, sa.func.count()).where(_STARTED).group_by(JOBS.c.runner_id)
    held: dict[str, int] = dict(iter(connection.execute(counts)))
    rows = connection.execute(
        sa.select(RUNNERS)
        .where(sa.or_(RUNNERS.c.controller.is_not(None), RUNNERS.c.runner_id.in_(sorted(held))))
        .order_by(RUNNERS.c.runner_id)
    ).all()
    others = tuple(
        _read(row, held.get(row.runner_id, 0))
        for row in rows
        # Clocks of machines differ a little; that only matters for what is shown.
        if row.controller not in {None, controller} and (row.seen_time or fresh) > fresh
    )
    return View(
        beats={row.runner_id: row.beat for row in rows if row.runner_id in held}, others=others
    )


def _read(row: sa.Row[tuple[object, ...]], started_jobs: int) -> RunnerInfo:
    content = json.loads(row.description or "{}")
    return RunnerInfo(
        runner_id=row.runner_id,
        name=row.name,
        queues=tuple(content.get("queues", ())),
        slots=content.get("slots", 0),
        started_jobs=started_jobs,
        resources=content.get("resources", {}),
        nodes=tuple(Node(**node) for node in content.get("nodes", ())),
        ray_address=content.get("ray_address", ""),
        last_seen=row.seen_time,
    )
