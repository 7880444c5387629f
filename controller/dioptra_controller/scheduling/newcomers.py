"""Jobs that were made a moment ago and have not ended, for who waits for their end.

Most clients that submit a job wait for it next: what they will be told was just written, so
there is nothing to read again. What is not here is read from the database. Only where commits
are told of in their order, and nobody else commits: with SQLite.
"""

from collections import OrderedDict

from dioptra_controller.jobs.records import JobRecord

_LIMIT = 1000


class Newcomers:
    """The newest jobs by id; to be used from one event loop."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int, JobRecord] = OrderedDict()

    def add(self, job: JobRecord) -> None:
        """Take in a job whose creation is committed."""
        self._jobs[job.id] = job
        if len(self._jobs) > _LIMIT:
            self._jobs.popitem(last=False)

    def end(self, job_id: int) -> None:
        """A job has ended."""
        self._jobs.pop(job_id, None)

    def find(self, job_id: int) -> JobRecord | None:
        """A job as it was made, if it is known and has not ended."""
        return self._jobs.get(job_id)
