"""From a validated description to a plan: pure, deterministic, without I/O."""

from dioptra_ray.planning.compiler import compile_plan
from dioptra_ray.planning.declarations import Declaration, read_declaration
from dioptra_ray.planning.options import PlanOptions
from dioptra_ray.planning.plan import Plan, PluginBundle, Resources, Stage, StageInput

__all__ = [
    "Declaration",
    "Plan",
    "PlanOptions",
    "PluginBundle",
    "Resources",
    "Stage",
    "StageInput",
    "compile_plan",
    "read_declaration",
]
