"""What an entrypoint compiles to: stages, and how they hang together.

A plan is a value: it holds everything that running the job takes except the job's
parameters and artifacts, it is made by `compile_plan`, stored by the controller under its
digest, and obeyed by the runner and its workers. Equal inputs give byte-equal JSON.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from dioptra_ray.planning.literals import read_literal, write_literal

Mode = Literal["latency", "throughput"]
Isolation = Literal["", "process"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a stage asks Ray for.

    Attributes:
        num_cpus: Logical CPUs; may be a fraction.
        num_gpus: Logical GPUs; may be a fraction.
        memory: Bytes of heap memory, 0 for no request.
        labels: Node labels that must be equal, sorted by key.
        custom: Custom Ray resources by name, sorted.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    custom: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginBundle:
    """A plugin snapshot that the plan runs.

    Attributes:
        name: What plugin code imports it by.
        digest: "sha256:<hex>" of the bundle; its key in the store is
            `plugins/<hex>.tar.gz`.
    """

    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnvironment:
    """With what every stage of a plan runs, by the wish of its queue.

    Attributes:
        runtime_env: Ray's `runtime_env` as canonical JSON; empty for none.
        isolation: "process" gives each stage a process of its own.
    """

    runtime_env: str = ""
    isolation: Isolation = ""

    def load_runtime_env(self) -> dict[str, Any]:
        """Ray's `runtime_env`; empty for none."""
        loaded: dict[str, Any] = json.loads(self.runtime_env or "{}")
        return loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInput:
    """A value that reaches a stage from another.

    Attributes:
        stage: The producing stage.
        step: The producing step; all its outputs come.
        readonly: Whether it need not be copied, since no step that it reaches in the
            stage changes it.
    """

    stage: str
    step: str
    readonly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRetries:
    """How often a stage may be repeated after a step of it has failed.

    Attributes:
        step: The step.
        most: How often.
        on: After what: names of exception classes, with or without their modules, or
            reasons of failures; empty for anything.
        delay: Seconds before the first time, doubled each time.
    """

    step: str
    most: int
    on: tuple[str, ...] = ()
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Steps that run one after another in one process, as one Ray task.

    Attributes:
        name: "s0", "s1", ... in a topological order of the stages.
        steps: Its steps in the order of execution.
        setup: Steps of other stages that are replayed first for their side effects;
            their outputs are not recorded.
        inputs: Values that it takes from other stages.
        after: Stages that must have succeeded before it; contains every stage of
            `inputs` and `workspace`, sorted.
        exports: Its steps whose outputs other stages take, in order.
        workspace: Stages whose new and changed files it must see, in order.
        artifacts: Artifact outputs that are written at its end, in declaration order.
            Only a stage that no other follows, and that follows all others, has any.
        resources: What it asks for.
        retries: After what, and how often, it may be repeated, by step that declares it.
        pure: Whether all that it runs is declared pure.
        timeout: Seconds after which it is stopped; None for no limit.
        step_timeouts: Seconds after which a step of it is stopped, by step, for those
            that have a limit.
        reason: Why its steps are together, for people.
    """

    name: str
    steps: tuple[str, ...]
    setup: tuple[str, ...] = ()
    inputs: tuple[StageInput, ...] = ()
    after: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    workspace: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    retries: tuple[StepRetries, ...] = ()
    pure: bool = False
    timeout: float | None = None
    step_timeouts: tuple[tuple[str, float], ...] = ()
    reason: str = ""

    @property
    def max_retries(self) -> int:
        """How often it may be repeated at most."""
        return max((one.most for one in self.retries), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that running a job takes, except its parameters and artifacts.

    Attributes:
        description: The validated description, without positions.
        stages: In a topological order.
        plugins: The plugin set, sorted by name.
        artifact_tasks: Id ("plugin.module.Class") by artifact task name, for the
            description's artifact outputs.
        order: All steps in Dioptra's order.
        mode: What the plan was made for.
        environment: With what its stages run.
    """

    description: Mapping[str, Any]
    stages: tuple[Stage, ...]
    plugins: tuple[PluginBundle, ...] = ()
    artifact_tasks: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = ()
    mode: Mode = "latency"
    environment: StageEnvironment = field(default_factory=StageEnvironment)

    @property
    def is_isolated(self) -> bool:
        """Whether each stage must have a process of its own."""
        execution = self.description.get("execution") or {}
        return "process" in (self.environment.isolation, execution.get("isolation"))

    def to_json(self) -> str:
        """Canonical JSON: byte-equal for equal plans; mapping order of the graph is kept."""
        data = asdict(replace(self, description={}))
        data["description"] = write_literal(self.description)
        environment = data.pop("environment")
        if self.environment != StageEnvironment():
            # Without one, a plan is what it was before there were any.
            environment["runtime_env"] = self.environment.load_runtime_env()
            data["environment"] = environment
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the canonical JSON."""
        return "sha256:" + hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Plan":
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls(
            description=read_literal(data["description"]),
            stages=tuple(map(_read_stage, data["stages"])),
            plugins=tuple(PluginBundle(**plugin) for plugin in data["plugins"]),
            artifact_tasks=tuple((name, task) for name, task in data["artifact_tasks"]),
            order=tuple(data["order"]),
            mode=data["mode"],
            environment=_read_environment(data.get("environment") or {}),
        )


def _read_environment(data: dict[str, Any]) -> StageEnvironment:
    # Written in canonical order, and read in the order written.
    found = data.get("runtime_env")
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False) if found else ""
    return StageEnvironment(runtime_env=text, isolation=data.get("isolation", ""))


def _read_stage(data: dict[str, Any]) -> Stage:
    resources = data["resources"]
    return Stage(
        name=data["name"],
        steps=tuple(data["steps"]),
        setup=tuple(data["setup"]),
        inputs=tuple(StageInput(**item) for item in data["inputs"]),
        after=tuple(data["after"]),
        exports=tuple(data["exports"]),
        workspace=tuple(data["workspace"]),
        artifacts=tuple(data["artifacts"]),
        resources=Resources(
            num_cpus=resources["num_cpus"],
            num_gpus=resources["num_gpus"],
            memory=resources["memory"],
            labels=tuple((key, value) for key, value in resources["labels"]),
            custom=tuple((key, value) for key, value in resources["custom"]),
        ),
        retries=tuple(
            StepRetries(**{**retries, "on": tuple(retries["on"])}) for retries in data["retries"]
        ),
        pure=data["pure"],
        timeout=data["timeout"],
        step_timeouts=tuple((step, seconds) for step, seconds in data["step_timeouts"]),
        reason=data["reason"],
    )
