"""Reports that the controller has not committed yet, in order.

A report is kept until it is acknowledged. After a lost stream everything not committed is
sent again; the controller drops what it has.
"""

from collections import deque

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb

MAX_REPORTS = 500
MAX_BYTES = 1024 * 1024


class Outbox:
    """Numbers reports, and knows which were sent and which are committed."""

    def __init__(self) -> None:
        self._last = 0
        self._kept: deque[pb.Report] = deque()
        self._unsent = 0

    def __len__(self) -> int:
        """How many reports are kept."""
        return len(self._kept)

    @property
    def has_unsent(self) -> bool:
        """Whether there is something to send."""
        return self._unsent > 0

    @property
    def acknowledged(self) -> int:
        """The last report that was said to be committed; 0 for none."""
        return self._last - len(self._kept)

    @property
    def is_waiting(self) -> bool:
        """Whether something that was sent is not acknowledged."""
        return len(self._kept) > self._unsent

    def append(self, report: pb.Report) -> int:
        """Keep a report; it gets the next sequence number, which is returned."""
        self._last += 1
        report.sequence = self._last
        self._kept.append(report)
        self._unsent += 1
        return self._last

    def take(self) -> list[pb.Report]:
        """The next reports to send, as many as fit into one message."""
        start = len(self._kept) - self._unsent
        taken: list[pb.Report] = []
        size = 0
        for index in range(start, len(self._kept)):
            report = self._kept[index]
            size += report.ByteSize()
            if taken and (size > MAX_BYTES or len(taken) == MAX_REPORTS):
                break
            taken.append(report)
        self._unsent -= len(taken)
        return taken

    def acknowledge(self, sequence: int) -> None:
        """Forget what is committed, up to and including `sequence`."""
        while self._kept and self._kept[0].sequence <= sequence:
            self._kept.popleft()
        self._unsent = min(self._unsent, len(self._kept))

    def rewind(self, committed: int) -> None:
        """Send everything after `committed` again: the stream is new."""
        self.acknowledge(committed)
        self._unsent = len(self._kept)
