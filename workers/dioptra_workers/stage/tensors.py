"""How torch storages cross processes: on the CPU, once each, and without a copy.

torch pickles a storage by `torch.save` into the stream. Reducing storages ourselves keeps
their bytes out of band, keeps tensors that share one storage sharing it, and makes CUDA
tensors loadable on a node without a GPU. Imported only where torch is loaded already.
"""

import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch.storage import TypedStorage, UntypedStorage

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


# torch annotates its storages partly; here they are what they are.
_Untyped: Any = UntypedStorage
_Typed: Any = TypedStorage


def _load_untyped(buffer: bytearray) -> Any:
    if not buffer:
        return _Untyped(0)
    return torch.frombuffer(buffer, dtype=torch.uint8).untyped_storage()


def _load_typed(untyped: Any, dtype: torch.dtype) -> Any:
    return _Typed(wrap_storage=untyped, dtype=dtype, _internal=True)


def _reduce_untyped(storage: Any) -> Reduced:
    flat: Any = torch.empty(0, dtype=torch.uint8).set_(storage.cpu())
    return _load_untyped, (pickle.PickleBuffer(flat.numpy()),)


def _reduce_typed(storage: Any) -> Reduced:
    return _load_typed, (storage._untyped_storage, storage.dtype)  # noqa: SLF001 - no public name


def reducers() -> dict[type, Callable[[Any], Reduced]]:
    """Entries for a pickler's dispatch table."""
    return {UntypedStorage: _reduce_untyped, TypedStorage: _reduce_typed}
