"""Submitting, watching and stopping sweeps."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from dioptra_ray.api.controller.v1 import sweep_service_pb2 as pb
from dioptra_ray.api.controller.v1.sweep_service_pb2_grpc import SweepServiceStub
from dioptra_ray.client.connection import Connection, deadline_after
from dioptra_ray.client.jobs import artifact_ids
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.client.resume import resume
from dioptra_ray.wire.artifacts import Artifact
from dioptra_ray.wire.sweeps import (
    Space,
    SweepProgress,
    SweepRecord,
    TrialResult,
    read_progress,
    read_sweep,
    read_trial,
    write_grid,
    write_points,
)
from dioptra_ray.wire.values import write_mapping

if TYPE_CHECKING:
    import pandas as pd

LARGEST_RESULT_PAGE = 10_000


class Sweep:
    """A sweep as it was when it was last read; `refresh`, `wait` and `watch` read it again."""

    def __init__(self, sweeps: "Sweeps", record: SweepRecord) -> None:
        self._sweeps = sweeps
        self.record = record

    def __repr__(self) -> str:
        done = f"{self.record.done}/{self.record.size}"
        return f"<Sweep {self.id} {self.record.entrypoint} {self.status} {done}>"

    @property
    def id(self) -> int:
        """Its number."""
        return self.record.id

    @property
    def status(self) -> str:
        """One of started, finished (every trial has ended) and cancelled."""
        return self.record.status

    @property
    def size(self) -> int:
        """How many trials it has."""
        return self.record.size

    @property
    def counts(self) -> Mapping[str, int]:
        """How many trials are in which state."""
        states = ("queued", "started", "finished", "failed", "cancelled")
        return {state: getattr(self.record, state) for state in states}

    def refresh(self) -> Self:
        """Read it again."""
        self.record = self._sweeps.get(self.id).record
        return self

    def cancel(self) -> Self:
        """Stop what runs and make no further trials; idempotent."""
        self.record = self._sweeps.cancel(self.id).record
        return self

    def watch(self, *, after: int = 0, timeout: float | None = None) -> Iterator[SweepProgress]:
        """Yield its progress, and the trials that have ended, until all have."""
        for progress in self._sweeps.watch(self.id, after=after, timeout=timeout):
            self.record = progress.sweep
            yield progress

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until every trial has ended, well or badly.

        Raises:
            TimeoutError: Not all have ended after `timeout` seconds; they go on.
        """
        deadline = deadline_after(timeout)
        while not self.refresh().record.is_final:
            left = None if deadline is None else deadline - time.monotonic()
            for _ in self.watch(timeout=left):
                pass
        return self

    def trials(self) -> tuple[TrialResult, ...]:
        """Its rows, one a trial, sorted by trial."""
        return self._sweeps.trials(self.id)

    def results(self) -> "pd.DataFrame":
        """Its rows as a table: see `client.sweeps.results`."""
        return self._sweeps.results(self.id)


class Sweeps:
    """`client.sweeps`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = SweepServiceStub(connection.channel)

    def submit(  # noqa: PLR0913 - what a sweep is made of, all but two by name
        self,
        entrypoint: str,
        space: Space,
        parameters: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, int | Artifact] | None = None,
        *,
        swaps: Mapping[str, str] | None = None,
        experiment: str = "",
        queue: str = "",
        description: str = "",
        timeout: float = 0.0,
        snapshot: int = 0,
        request_id: str = "",
    ) -> Sweep:
        """Store a sweep; its trials are made as they are needed.

        Args:
            entrypoint: The entrypoint's name.
            space: Lists of values by parameter, of which every combination is a trial, or
                a list of mappings, each of which is one. A key `?name` is a swap, whose
                values are aliases of its alternatives.
            parameters: Values of parameters that do not vary.
            artifacts: Artifacts, or their ids, by artifact parameter, for every trial.
            swaps: An alias for each swap that does not vary, by the swap's name.
            experiment: The experiment, "default" when empty.
            queue: The queue, "default" when empty.
            description: Free text.
            timeout: Seconds after its start at which a trial is stopped; 0 means 24 hours.
            snapshot: The entrypoint's snapshot; 0 means the newest.
            request_id: Repeating a call with the same one returns the first sweep.

        Raises:
            InvalidDescriptionError: Space, parameters or swaps are wrong; `issues` has all
                of it.
            NotFoundError: No such entrypoint, experiment, queue or artifact.
        """
        request = make(
            pb.CreateSweepRequest,
            request_id=request_id or uuid4().hex,
            entrypoint=entrypoint,
            entrypoint_snapshot=snapshot,
            experiment=experiment,
            queue=queue,
            grid=write_grid(space) if isinstance(space, Mapping) else None,
            points=None if isinstance(space, Mapping) else write_points(space),
            parameters=write_mapping(parameters or {}),
            artifact_inputs=artifact_ids(artifacts or {}),
            swaps=swaps or {},
            description=description,
            timeout_seconds=timeout,
        )
        return Sweep(self, read_sweep(self._connection.call(self._stub.CreateSweep, request).sweep))

    def get(self, sweep: int) -> Sweep:
        """Read a sweep.

        Raises:
            NotFoundError: There is no such sweep.
        """
        response = self._connection.call(self._stub.GetSweep, make(pb.GetSweepRequest, id=sweep))
        return Sweep(self, read_sweep(response.sweep))

    def cancel(self, sweep: int) -> Sweep:
        """Stop what runs and make no further trials; idempotent.

        Raises:
            PreconditionError: It has finished already.
        """
        response = self._connection.call(
            self._stub.CancelSweep, make(pb.CancelSweepRequest, id=sweep)
        )
        return Sweep(self, read_sweep(response.sweep))

    def watch(
        self, sweep: int, *, after: int = 0, timeout: float | None = None
    ) -> Iterator[SweepProgress]:
        """Yield the progress of a sweep to its end; a lost connection is resumed."""
        deadline = deadline_after(timeout)

        def open_stream(sequence: int) -> Iterator[SweepProgress]:
            request = make(pb.WatchSweepRequest, id=sweep, after_end_sequence=sequence)
            call = self._connection.stream(
                self._stub.WatchSweep, request, deadline, what=f"sweep {sweep}"
            )
            for message in call:
                yield read_progress(message)

        return resume(
            open_stream,
            position=lambda progress: progress.end_sequence,
            after=after,
            backoff=self._connection.backoff(),
        )

    def trials(self, sweep: int) -> tuple[TrialResult, ...]:
        """Read the rows of a sweep, one a trial, sorted by trial."""

        def fetch(size: int, token: str) -> tuple[Iterator[TrialResult], str]:
            request = make(pb.ListSweepResultsRequest, id=sweep, page_size=size, page_token=token)
            page = self._connection.call(self._stub.ListSweepResults, request)
            return map(read_trial, page.results), page.next_page_token

        return read_pages(fetch, limit=None, largest=LARGEST_RESULT_PAGE)

    def results(self, sweep: int) -> "pd.DataFrame":
        """Read a sweep as a table, one row a trial.

        Its columns are trial, job, status, what varies (a swap as `?name`), the metrics,
        duration (in seconds) and error. A parameter or metric whose name is taken by a column
        before it is called `parameters.<name>` or `metrics.<name>`.
        """
        from dioptra_ray.client.results import to_frame  # noqa: PLC0415 - pandas is optional

        return to_frame(self.trials(sweep), self.get(sweep).record.dimensions)

    def list(self, *, limit: int | None = None) -> tuple[Sweep, ...]:
        """List sweeps, newest first."""

        def fetch(size: int, token: str) -> tuple[Iterator[Sweep], str]:
            request = make(pb.ListSweepsRequest, page_size=size, page_token=token)
            page = self._connection.call(self._stub.ListSweeps, request)
            return (Sweep(self, read_sweep(sweep)) for sweep in page.sweeps), page.next_page_token

        return read_pages(fetch, limit=limit)
