"""Values that cross from one stage to another.

Classes defined in plugins can be unpickled only where the plugin set is active, so we
pickle values ourselves and hand Ray nothing but bytes. Large buffers (numpy, torch) stay
out of band: Ray places them in shared memory without a copy. They are copied once on
loading, because a step may change its input in place, as it may in Dioptra; where all
steps that take a value declare that they do not, they stay where they are.
"""

import io
import pickle
import sys
from collections import ChainMap
from dataclasses import dataclass
from typing import Any

from ray.cloudpickle import CloudPickler

_LARGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Payload:
    """Pickled values: the stream first, then its out-of-band buffers."""

    buffers: tuple[pickle.PickleBuffer, ...]


class _Pickler(CloudPickler):  # type: ignore[misc]
    """cloudpickle that also moves torch storages to the CPU and out of band."""

    def __init__(self, file: io.BytesIO, buffers: list[pickle.PickleBuffer]) -> None:
        # The table is read by the constructor, so it must be there before.
        if "torch" in sys.modules:
            from dioptra_workers.stage import tensors  # noqa: PLC0415 - only where torch is loaded

            self.dispatch_table = ChainMap(tensors.reducers(), CloudPickler.dispatch_table)
        super().__init__(file, protocol=5, buffer_callback=buffers.append)


def dump(value: Any) -> Payload:
    """Pickle `value`; raises whatever its pickling raises."""
    return dump_tracked(value)[0]


def dump_tracked(value: Any) -> tuple[Payload, Any]:
    """The same, and the pickler: its memo holds all objects that it came across."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = _Pickler(file, buffers)
    pickler.dump(value)
    return Payload((pickle.PickleBuffer(file.getbuffer()), *buffers)), pickler


def load(payload: Payload, *, readonly: bool = False) -> Any:
    """Unpickle with the plugin set active.

    Args:
        payload: What `dump` made, as Ray delivers it.
        readonly: Whether arrays and tensors may lie in the payload's own memory, where
            nobody must change them. Otherwise the result shares nothing.
    """
    stream, *buffers = (memoryview(buffer) for buffer in payload.buffers)
    taken = [view.toreadonly() if readonly else _copy(view) for view in buffers]
    return pickle.loads(stream, buffers=taken)  # noqa: S301 - made by a stage of the same job


def _copy(view: memoryview) -> Any:
    if view.nbytes < _LARGE:
        return bytearray(view)
    import numpy as np  # noqa: PLC0415 - heavy, and whoever has such a buffer has loaded it

    # Five times as fast as `bytearray`: numpy asks the kernel for huge pages.
    copied = np.empty(view.nbytes, dtype=np.uint8)
    copied[:] = np.frombuffer(view, dtype=np.uint8)
    return copied.data
