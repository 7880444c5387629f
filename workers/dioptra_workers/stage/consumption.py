"""What a step takes of its node: CPU time, and memory.

The kernel counts both, so asking costs a few microseconds. The most that a process had
resident can be set back to what it has now, which makes it the peak of one step in a
process that runs many.
"""

import os
from dataclasses import dataclass
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

_RESET_PEAK = b"5"  # of /proc/PID/clear_refs; see proc(5)
_KIB = 1024
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a step took.

    Attributes:
        cpu_seconds: CPU time of all threads, and of the child processes that have ended.
        peak_memory: The most bytes that its process had resident; 0 when not known.
    """

    cpu_seconds: float = 0.0
    peak_memory: int = 0


class Meter:
    """Measures one step after the other."""

    def __init__(self) -> None:
        self._cpu = 0.0
        self._peak = 0
        self._was_reset = False

    def start(self) -> None:
        """A step begins."""
        self._was_reset = _reset_peak()
        self._cpu, self._peak = _read()

    def read(self) -> Consumption:
        """What has been taken since it began."""
        cpu, peak = _read()
        # Where the peak cannot be set back, it tells something only when it grows.
        is_known = self._was_reset or peak > self._peak
        return Consumption(round(cpu - self._cpu, _DIGITS), peak if is_known else 0)


def _read() -> tuple[float, int]:
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return cpu, own.ru_maxrss * _KIB


def _reset_peak() -> bool:
    # Not kept open: a forked process would set back its parent's, and steps close things.
    try:
        file = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(file, _RESET_PEAK)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
