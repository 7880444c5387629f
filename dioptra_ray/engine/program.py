"""A task graph made ready to run.

Reading invocations, references and output declarations is done once for each step, and
may be shared by many executions of one description.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dioptra_ray.engine.errors import (
    IllegalPluginNameError,
    MissingTaskPluginNameError,
    TaskPluginNotFoundError,
)
from dioptra_ray.language.graph import (
    StepLinks,
    find_references,
    links,
    parse_reference,
    read_invocation,
    unescape,
)


class Scope(Protocol):
    """Where references are looked up."""

    def lookup(self, name: str, output: str | None) -> Any:
        """The value that `$name` or `$name.output` stands for."""


Resolver = Callable[[Scope], Any]
"""Makes an argument. Lists and mappings are made anew each time; what a reference stands
for is passed on as the same object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall:
    """How to call a step's function, and what to do with what it returns.

    Attributes:
        package: Package of the function's module; empty for top-level modules.
        module: The module within the package.
        function: The registered name.
        args: Makers of the positional arguments.
        kwargs: Makers of the keyword arguments.
        output: The output that takes the whole value; None when there is no such.
        outputs: The outputs that the value is unpacked into; empty when it is not.
    """

    package: str
    module: str
    function: str
    args: tuple[Resolver, ...]
    kwargs: tuple[tuple[str, Resolver], ...]
    output: str | None
    outputs: tuple[str, ...]


class Program:
    """The steps of a description, each read when it is first called."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.description = description
        self._calls: dict[str, StepCall] = {}
        self._links: dict[str, StepLinks] | None = None

    def call(self, step: str) -> StepCall:
        """How to call `step`.

        Raises:
            ResolutionError: The task or its plugin id is missing or malformed.
        """
        call = self._calls.get(step)
        if call is None:
            call = self._calls[step] = read_step(self.description, step)
        return call

    def last_uses(self, steps: Sequence[str]) -> dict[str, list[str]]:
        """Which outputs nothing needs any more after each of `steps`, run in this order.

        A step is needed until all have run that refer to it or name it under
        `dependencies`; all its outputs are, since one may hold what another stands for.
        """
        if self._links is None:
            self._links = links(self.description)
        last = {}
        for step in steps:
            found = self._links[step]
            for name in (step, *found.data, *found.order_only):
                last[name] = step
        uses: dict[str, list[str]] = {}
        for name, step in last.items():
            uses.setdefault(step, []).append(name)
        return uses

    def contents(self, artifacts: Collection[str]) -> set[str]:
        """The steps, among other names, that the contents of artifact outputs refer to."""
        outputs = self.description.get("artifact_outputs") or {}
        references = (find_references(outputs[name]["contents"]) for name in artifacts)
        return {reference.name for found in references for reference in found}


def read_step(description: Mapping[str, Any], step: str) -> StepCall:
    """Read one step and the task that it calls."""
    invocation = read_invocation(description["graph"][step])
    task = description["tasks"].get(invocation.task)
    if task is None:
        raise TaskPluginNotFoundError(f"There is no task {invocation.task!r}.")
    plugin = task.get("plugin")
    if not plugin:
        raise MissingTaskPluginNameError(f"Task {invocation.task!r} names no plugin.")
    path, _, function = plugin.rpartition(".")
    if not path:
        raise IllegalPluginNameError(
            f"The plugin {plugin!r} of task {invocation.task!r} must be a dotted name, "
            "such as 'plugin.module.function'."
        )
    package, _, module = path.rpartition(".")
    output, outputs = read_outputs(task.get("outputs"))
    return StepCall(
        package=package,
        module=module,
        function=function,
        args=tuple(map(read_value, invocation.args)),
        kwargs=tuple((name, read_value(value)) for name, value in invocation.kwargs.items()),
        output=output,
        outputs=outputs,
    )


def read_outputs(declared: Any) -> tuple[str | None, tuple[str, ...]]:
    """The output that takes the whole value, or those that it is unpacked into."""
    if not declared:
        return None, ()
    if isinstance(declared, Mapping):
        return next(iter(declared)), ()
    return None, tuple(next(iter(entry)) for entry in declared)


def read_value(value: Any) -> Resolver:
    """What makes the argument that `value` describes."""
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, list):
        items = [read_value(item) for item in value]
        return lambda scope: [make(scope) for make in items]
    if isinstance(value, Mapping):
        entries = [(key, read_value(item)) for key, item in value.items()]
        return lambda scope: {key: make(scope) for key, make in entries}
    return lambda _: value


def _read_text(text: str) -> Resolver:
    reference = parse_reference(text)
    if reference is None:
        plain = unescape(text)
        return lambda _: plain
    name, output = reference.name, reference.output
    return lambda scope: scope.lookup(name, output)
