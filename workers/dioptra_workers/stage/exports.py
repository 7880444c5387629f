"""The values that a stage leaves to others: one payload for each step that others take.

Within a process two values may hold one object, as an optimizer holds the parameters of its
model; so the process that takes both must get it once as well. Each payload can be loaded
by itself, but one whose values share something with those of earlier payloads holds those
too: whoever takes several of them loads the last first, and finds the others in it.
"""

import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from dioptra_ray.planning.plan import StageInput
from dioptra_workers.stage.payload import Payload, dump, dump_tracked, load

Outputs = Mapping[str, Any]

_ATOMS: tuple[type, ...] = (
    str, bytes, int, float, complex, tuple, frozenset, type, Enum,
    FunctionType, BuiltinFunctionType, ModuleType,
)  # fmt: skip
"""What nobody can change, so that it makes no difference whether it is one object or two."""


class NotPicklableError(Exception):
    """A value cannot cross to another process."""

    def __init__(self, step: str, message: str) -> None:
        super().__init__(message)
        self.step = step

    @classmethod
    def on_dump(
        cls, step: str, output: str, kind: str, cause: BaseException
    ) -> "NotPicklableError":
        """The value cannot leave its process."""
        return cls(
            step,
            f'Output "{output}" of step "{step}" is a {kind}, which cannot be sent to another '
            f"process ({cause}). Either let the steps that use it run together with "
            f'"{step}" (declare neither resources nor parallel for them), or make '
            f"{kind} picklable.",
        )

    @classmethod
    def on_load(cls, step: str, kinds: str, cause: BaseException) -> "NotPicklableError":
        """The value left its process but cannot be made again in another."""
        return cls(
            step,
            f'What step "{step}" has made ({kinds}) was sent to another process but cannot be '
            f"made again there ({type(cause).__name__}: {cause}). Either let the steps that use "
            f'it run together with "{step}" (declare neither resources nor parallel for '
            "them), or make it picklable.",
        )


def dump_exports(exports: Mapping[str, Outputs]) -> tuple[Payload, ...]:
    """Pickle the outputs of exported steps, in order.

    Raises:
        NotPicklableError: One of them cannot be pickled.
    """
    dumped = [_dump_tracked(step, outputs) for step, outputs in exports.items()]
    shared = _find_shared([pickler for _, pickler in dumped])
    steps = tuple(exports)
    payloads = []
    for place, (payload, _) in enumerate(dumped):
        members = [steps[other] for other in shared.get(place, (place,))]
        if len(members) > 1:
            payload = dump({step: dict(exports[step]) for step in members})  # noqa: PLW2901
        head = {step: _kinds(exports[step]) for step in members}
        payloads.append(Payload((pickle.PickleBuffer(pickle.dumps(head)), *payload.buffers)))
    return tuple(payloads)


def load_inputs(
    inputs: Sequence[StageInput], payloads: Sequence[Payload]
) -> dict[str, dict[str, Any]]:
    """The outputs that the stage takes, by step.

    Args:
        inputs: What it takes; of one stage in the order in which that exports it.
        payloads: One for each.

    Raises:
        NotPicklableError: They cannot be made again in this process.
    """
    readonly = {given.step: given.readonly for given in inputs}
    values: dict[str, dict[str, Any]] = {}
    for given, payload in zip(reversed(inputs), reversed(payloads), strict=True):
        if given.step in values:
            continue
        head, *buffers = payload.buffers
        kinds: dict[str, str] = pickle.loads(memoryview(head))  # noqa: S301 - ours, and texts
        wanted = [step for step in kinds if step in readonly]
        try:
            loaded = load(Payload(tuple(buffers)), readonly=all(map(readonly.get, wanted)))
        except Exception as error:
            raise NotPicklableError.on_load(given.step, kinds[given.step], error) from error
        for step in wanted:
            values.setdefault(step, loaded[step])
    return values


def _dump_tracked(step: str, outputs: Outputs) -> tuple[Payload, Any]:
    try:
        return dump_tracked({step: dict(outputs)})
    except Exception as error:  # noqa: BLE001 - any class may fail in its own way
        for name, value in outputs.items():
            try:
                dump(value)
            except Exception as cause:  # noqa: BLE001 - as above
                raise NotPicklableError.on_dump(step, name, _kind(value), cause) from None
        names = ", ".join(outputs)
        raise NotPicklableError.on_dump(step, names, "group of values", error) from None


def _find_shared(picklers: Sequence[Any]) -> dict[int, tuple[int, ...]]:
    """For each pickler that shares an object with an earlier one: all of them, itself last."""
    shared: dict[int, tuple[int, ...]] = {}
    if len(picklers) == 1:
        return shared
    owners: dict[int, int] = {}
    for place, pickler in enumerate(picklers):
        found = pickler.memo.copy()
        group = {place}
        for identity in owners.keys() & found.keys():
            if not _is_atom(found[identity][1]):
                owner = owners[identity]
                group.update(shared.get(owner, (owner,)))
        if len(group) > 1:
            shared[place] = tuple(sorted(group))
        owners |= dict.fromkeys(found, place)
    return shared


def _is_atom(value: Any) -> bool:
    return isinstance(value, (*_ATOMS, *_more_atoms()))


def _more_atoms() -> Iterator[type]:
    if numpy := sys.modules.get("numpy"):
        yield numpy.dtype
    if torch := sys.modules.get("torch"):
        yield from (torch.dtype, torch.device, torch.Size, torch.layout)


def _kinds(outputs: Outputs) -> str:
    return ", ".join(_kind(value) for value in outputs.values())


def _kind(value: Any) -> str:
    return type(value).__qualname__
