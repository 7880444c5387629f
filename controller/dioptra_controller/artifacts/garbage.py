"""What in the store nobody needs any more, and why: decided from what the database knows.

Whoever writes to the store does so before the database knows of it. So nothing young is
judged, and nothing of an attempt that may still report: a long upload is no orphan.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOBS, PLANS
from dioptra_controller.database.registry_tables import ARTIFACTS, PLUGIN_SNAPSHOTS
from dioptra_controller.jobs.state import FINAL_STATES
from dioptra_ray.store.inventory import Kind, Stored

BATCH = 500
"""How many pieces of the store are judged in one transaction."""

_ATTEMPT = re.compile(
    r"(?:artifacts/(\d{1,18})/(\d{1,9})(?:\.\d{1,9})?/.+|scratch/(\d{1,18})-(\d{1,9}))"
)
_BUNDLE = re.compile(r"plugins/([0-9a-f]{64})\.tar\.gz")
_FINAL = frozenset(state.value for state in FINAL_STATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Something in the store that nobody needs.

    Attributes:
        stored: What it is.
        reason: Why nobody needs it, for people.
        deleted_artifact: Whether it belongs to an artifact that was deleted for everybody.
    """

    stored: Stored
    reason: str
    deleted_artifact: bool = False


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the database says to a batch."""

    artifacts: Mapping[str, bool]
    """By key, whether it was deleted."""
    jobs: Mapping[int, tuple[bool, int]]
    """By id, whether it has ended, and its present attempt."""
    newest_job: int
    bundles: frozenset[str]


def judge(
    connection: sa.Connection, batch: Sequence[Stored], folder_of: Callable[[str], str]
) -> list[Garbage]:
    """Those of a batch that nobody needs.

    Args:
        connection: A transaction begun after the batch was read from the store.
        batch: Old enough to be judged; at most `BATCH` of them.
        folder_of: Says which folder an artifact consists of.
    """
    facts = _gather(connection, batch)
    verdicts = ((stored, _judge(stored, facts, folder_of)) for stored in batch)
    return [
        Garbage(
            stored=stored,
            reason=reason,
            deleted_artifact=facts.artifacts.get(stored.key, False),
        )
        for stored, reason in verdicts
        if reason
    ]


def is_needed_bundle(connection: sa.Connection, key: str) -> bool:
    """Whether something refers to a plugin bundle."""
    found = _BUNDLE.fullmatch(key)
    return found is None or bool(_find_bundles(connection, [f"sha256:{found[1]}"]))


def _judge(stored: Stored, facts: _Facts, folder_of: Callable[[str], str]) -> str:
    match stored.kind:
        case Kind.ARTIFACT | Kind.MANIFEST:
            return _judge_artifact(stored, facts, folder_of)
        case Kind.SCRATCH:
            return _judge_attempt(stored.key, facts, "scratch space of")
        case Kind.BUNDLE:
            found = _BUNDLE.fullmatch(stored.key)
            needed = found is None or f"sha256:{found[1]}" in facts.bundles
            return "" if needed else "a plugin that was never registered"
        case Kind.UNFINISHED:
            return "an upload that was never finished"


def _judge_artifact(stored: Stored, facts: _Facts, folder_of: Callable[[str], str]) -> str:
    deleted = facts.artifacts.get(stored.key)
    if deleted:
        return "an artifact that was deleted"
    if deleted is None:
        if stored.key.startswith("uploads/"):
            return "an upload that never became an artifact"
        return _judge_attempt(stored.key, facts, "never became an artifact:")
    if stored.siblings and folder_of(stored.key) != stored.place:
        return "an interrupted upload of an artifact"
    return ""


def _judge_attempt(key: str, facts: _Facts, what: str) -> str:
    found = _ATTEMPT.fullmatch(key)
    if found is None:
        return ""
    job, attempt = (int(part) for part in found.groups() if part is not None)
    if job > facts.newest_job:
        # Not of this database, or of a time after the backup that it was restored from.
        return ""
    is_over, present = facts.jobs.get(job, (True, 0))
    if not is_over and attempt >= present:
        return ""
    return f"{what} attempt {attempt} of job {job}, which is over"


def _gather(connection: sa.Connection, batch: Iterable[Stored]) -> _Facts:
    keys = {stored.key for stored in batch if stored.kind in (Kind.ARTIFACT, Kind.MANIFEST)}
    digests = {
        f"sha256:{found[1]}"
        for stored in batch
        if stored.kind is Kind.BUNDLE and (found := _BUNDLE.fullmatch(stored.key))
    }
    attempts = (_ATTEMPT.fullmatch(stored.key) for stored in batch)
    jobs = {int(found[1] or found[3]) for found in attempts if found}
    rows = connection.execute(
        sa.select(ARTIFACTS.c.key, ARTIFACTS.c.delete_time).where(ARTIFACTS.c.key.in_(keys))
    )
    artifacts = {key: deleted is not None for key, deleted in rows}
    states = connection.execute(
        sa.select(JOBS.c.id, JOBS.c.state, JOBS.c.attempt).where(JOBS.c.id.in_(jobs))
    )
    return _Facts(
        artifacts=artifacts,
        jobs={job: (state in _FINAL, attempt) for job, state, attempt in states},
        newest_job=connection.execute(sa.select(sa.func.max(JOBS.c.id))).scalar_one() or 0,
        bundles=_find_bundles(connection, sorted(digests)),
    )


def _find_bundles(connection: sa.Connection, digests: Sequence[str]) -> frozenset[str]:
    """Those that a snapshot, an artifact or a plan refers to."""
    found: set[str] = set()
    for column in (PLUGIN_SNAPSHOTS.c.digest, ARTIFACTS.c.plugin_digest):
        query = sa.select(column).where(column.in_(digests))
        found.update(connection.execute(query).scalars())
    for digest in digests:
        # Rare: what no snapshot has was never registered, unless its rows were deleted.
        if digest not in found:
            query = sa.select(PLANS.c.digest).where(PLANS.c.plan_json.contains(digest)).limit(1)
            found.update([digest] if connection.execute(query).first() else [])
    return frozenset(found)


def mark_purged(connection: sa.Connection, keys: Iterable[str], now: object) -> None:
    """Note that the bytes of these deleted artifacts are gone."""
    connection.execute(
        sa.update(ARTIFACTS)
        .where(
            ARTIFACTS.c.key.in_(sorted(keys)),
            ARTIFACTS.c.delete_time.is_not(None),
            ARTIFACTS.c.purge_time.is_(None),
        )
        .values(purge_time=now)
    )
