"""What a plan is made with, besides the description."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.planning.plan import Mode, PluginBundle, Resources, StageEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What a plan is made with.

    Attributes:
        plugins: The plugin snapshots that the job runs.
        artifact_tasks: Id ("plugin.module.Class") by artifact task name.
        declarations: What the tasks say, by task name: the decorator's, under those of
            the registration.
        defaults: What a step asks for where it says nothing: the queue's defaults.
        mode: "latency" runs free branches side by side; "throughput" makes as few
            stages as resources allow, for a cluster that other jobs fill.
        environment: With what the stages run: the queue's.
    """

    plugins: tuple[PluginBundle, ...] = ()
    artifact_tasks: Mapping[str, str] = field(default_factory=dict)
    declarations: Mapping[str, Declaration] = field(default_factory=dict)
    defaults: Resources = field(default_factory=Resources)
    mode: Mode = "latency"
    environment: StageEnvironment = field(default_factory=StageEnvironment)
