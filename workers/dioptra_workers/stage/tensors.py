"""How torch storages cross processes: on the CPU, once each, and without a copy.

torch pickles a storage by `torch.save` into the stream. Reducing storages ourselves keeps
their bytes out of band, keeps tensors that share one storage sharing it, and makes CUDA
tensors loadable on a node without a GPU. Where there is one they return to it. Imported
only where torch is loaded already.
"""

import ctypes
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.storage import TypedStorage, UntypedStorage

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


# torch annotates its storages partly; here they are what they are.
_Untyped: Any = UntypedStorage
_Typed: Any = TypedStorage


def _load_untyped(buffer: Any, device: str = "cpu") -> Any:
    view = memoryview(buffer)
    if not view.nbytes:
        return _Untyped(0)
    if view.readonly:
        view = _seen_as_writable(view)
    storage = torch.frombuffer(view, dtype=torch.uint8).untyped_storage()
    where = place(device, torch.cuda.device_count() if device != "cpu" else 0)
    return storage if where == "cpu" else _moved(storage, where)


def place(device: str, gpus: int) -> str:
    """Where a storage goes that was on `device`, in a process that sees so many GPUs.

    Back to where it was; a GPU of a number that is not here is the first one; and without
    any GPU, as on every node where the stage has asked for none, to the CPU.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda" or not gpus:
        return "cpu"
    return device if int(index or 0) < gpus else "cuda:0"


def _moved(storage: Any, device: str) -> Any:
    flat: Any = torch.empty(0, dtype=torch.uint8).set_(storage)
    return flat.to(device).untyped_storage()


def _seen_as_writable(view: memoryview) -> memoryview:
    """The same memory: torch knows no tensors that cannot be written, and would warn."""
    address = np.frombuffer(view, dtype=np.uint8).ctypes.data
    array: Any = (ctypes.c_ubyte * view.nbytes).from_address(address)
    array._owner = view  # noqa: SLF001 - keeps the memory for as long as torch has it
    return memoryview(array)


def _load_typed(untyped: Any, dtype: torch.dtype) -> Any:
    return _Typed(wrap_storage=untyped, dtype=dtype, _internal=True)


def _reduce_untyped(storage: Any) -> Reduced:
    flat: Any = torch.empty(0, dtype=torch.uint8).set_(storage.cpu())
    return _load_untyped, (pickle.PickleBuffer(flat.numpy()), str(storage.device))


def _reduce_typed(storage: Any) -> Reduced:
    return _load_typed, (storage._untyped_storage, storage.dtype)  # noqa: SLF001 - no public name


def _reduce_tensor(tensor: Any) -> tuple[Any, ...]:
    function, arguments, *state = tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    return (function, _repaired(function, arguments), *state)


def _repaired(function: Any, arguments: Any) -> Any:
    """With a storage of the kind that the function wants.

    torch gives tensors of its newest types a bare storage, but can only rebuild them from a
    wrapped one: its own format wraps each.
    """
    name = getattr(function, "__name__", "")  # what torch calls them has no public name
    if name == "_rebuild_from_type_v2":
        inner, kind, own, state = arguments
        return inner, kind, _repaired(inner, own), state
    if name == "_rebuild_tensor_v3" and isinstance(arguments[0], UntypedStorage):
        return _load_typed(arguments[0], torch.uint8), *arguments[1:]
    return arguments


def reducers() -> dict[type, Callable[[Any], tuple[Any, ...]]]:
    """Entries for a pickler's dispatch table."""
    return {
        torch.Tensor: _reduce_tensor,
        UntypedStorage: _reduce_untyped,
        TypedStorage: _reduce_typed,
    }
