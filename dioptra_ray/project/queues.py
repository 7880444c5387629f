"""Queues of a registration file: `[[queues]]`, and everything that is wrong with them."""

from collections.abc import Iterator

from dioptra_ray.language.issues import Issue
from dioptra_ray.planning.environments import find_problems, read_environment
from dioptra_ray.project.config import ConfigText, QueueEntry
from dioptra_ray.project.model import ProjectQueue

_LARGEST = 2**31 - 1


def read_queue(
    entry: QueueEntry, index: int, text: ConfigText
) -> tuple[ProjectQueue, tuple[Issue, ...]]:
    """A queue, and everything that is wrong with it."""
    what = f"Queue {entry.name!r}"
    issues = tuple(
        text.issue("registration.queue", f"{what}: {problem}.", ("queues", index, key))
        for key, problem in _find_problems(entry)
    )
    environment = None
    if entry.environment is not None and not issues:
        environment = read_environment(entry.environment)
    queue = ProjectQueue(
        name=entry.name,
        description=entry.description,
        environment=environment,
        max_started_jobs=entry.max_started_jobs,
        priority=entry.priority,
        place=text.place("queues", index),
    )
    return queue, issues


def _find_problems(entry: QueueEntry) -> Iterator[tuple[str, str]]:
    if entry.name in ("", "*") or "," in entry.name:
        yield "name", "a queue must have a name, without a comma, and not *"
    if entry.environment is not None:
        for problem in find_problems(entry.environment):
            yield "environment", problem
    limit, priority = entry.max_started_jobs, entry.priority
    if limit is not None and not 0 <= limit <= _LARGEST:
        yield "max_started_jobs", f"max_started_jobs must be 0 (no limit) or more, not {limit}"
    if priority is not None and not -_LARGEST <= priority <= _LARGEST:
        yield "priority", f"priority must have at most 31 bits, not be {priority}"
