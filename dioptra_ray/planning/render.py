"""A plan for people: as text, and as pictures in Mermaid and Graphviz notation."""

from collections.abc import Iterator, Mapping

from dioptra_ray.planning.plan import Plan, Stage, StepRetries
from dioptra_ray.planning.resources import describe

_MOST_STEPS = 12


def to_text(plan: Plan) -> str:
    """The stages in order: their steps, what they ask for, what reaches them, and why."""
    stages, steps = len(plan.stages), len(plan.order)
    lines = [
        f"{steps} step{_s(steps)} in {stages} stage{_s(stages)}, planned for {plan.mode}",
        *(f"plugin {plugin.name} {plugin.digest[:19]}" for plugin in plan.plugins),
        *_environment_lines(plan),
    ]
    edges = direct_edges(plan)
    for stage in plan.stages:
        lines += ["", *_stage_lines(stage, edges[stage.name])]
    return "\n".join(lines) + "\n"


def _environment_lines(plan: Plan) -> Iterator[str]:
    if plan.environment.runtime_env:
        yield f"runtime_env {plan.environment.runtime_env}"
    if plan.is_isolated:
        yield "isolation process: each stage has a process of its own"


def to_mermaid(plan: Plan) -> str:
    """The stages as a Mermaid flowchart, with their steps inside."""
    lines = ["flowchart TD"]
    lines += [
        f'  {stage.name}["{"<br/>".join(map(_mermaid, _label(stage)))}"]' for stage in plan.stages
    ]
    edges = direct_edges(plan)
    for stage in plan.stages:
        for other in edges[stage.name]:
            values = _values(stage, other)
            label = f'|"{_mermaid(values)}"|' if values else ""
            arrow = "-->" if values else "-.->"
            lines.append(f"  {other} {arrow}{label} {stage.name}")
    return "\n".join(lines) + "\n"


def to_dot(plan: Plan) -> str:
    """The stages as a Graphviz digraph, with their steps inside."""
    lines = ["digraph plan {", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    lines += [
        f'  {stage.name} [label="{_dot(chr(10).join(_label(stage)))}"];' for stage in plan.stages
    ]
    edges = direct_edges(plan)
    for stage in plan.stages:
        for other in edges[stage.name]:
            values = _values(stage, other)
            style = f'label="{_dot(values)}"' if values else "style=dashed"
            lines.append(f"  {other} -> {stage.name} [{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def direct_edges(plan: Plan) -> dict[str, tuple[str, ...]]:
    """For each stage those before it that no other one stands between, or that give it values."""
    after: Mapping[str, frozenset[str]] = {
        stage.name: frozenset(stage.after) for stage in plan.stages
    }
    edges = {}
    for stage in plan.stages:
        direct: list[str] = [item.stage for item in stage.inputs]
        implied: set[str] = set()
        for other in reversed(stage.after):
            if other not in implied:
                direct.append(other)
                implied |= after[other]
        wanted = set(direct)
        edges[stage.name] = tuple(other for other in stage.after if other in wanted)
    return edges


def _stage_lines(stage: Stage, before: tuple[str, ...]) -> Iterator[str]:
    head = f"{stage.name}: {_shortened(stage.steps) or 'no steps'}"
    yield head
    if stage.setup:
        yield f"    replays first  {_shortened(stage.setup)}"
    yield f"    asks for       {describe(stage.resources)}"
    if before:
        yield f"    after          {', '.join(before)}"
    if stage.inputs:
        taken = [
            f"{item.step} from {item.stage}{' (read-only)' if item.readonly else ''}"
            for item in stage.inputs
        ]
        yield f"    takes          {_shortened(tuple(taken))}"
    if stage.artifacts:
        yield f"    writes         {_shortened(stage.artifacts)}"
    limits = []
    limits += [_retries(one) for one in stage.retries]
    limits += [f"{step} stopped after {seconds:g} s" for step, seconds in stage.step_timeouts]
    if limits:
        yield f"    limits         {_shortened(tuple(limits))}"
    yield f"    why            {stage.reason}"


def _retries(said: StepRetries) -> str:
    text = f"{said.step} repeated up to {said.most} time{_s(said.most)}"
    if said.on:
        text += f" after {' or '.join(said.on)}"
    return text + (f", {said.delay:g} s later" if said.delay else "")


def _label(stage: Stage) -> list[str]:
    lines = [f"{stage.name}: {describe(stage.resources)}"]
    if stage.setup:
        lines.append(f"replays {_shortened(stage.setup)}")
    lines += stage.steps[:_MOST_STEPS]
    if len(stage.steps) > _MOST_STEPS:
        lines.append(f"and {len(stage.steps) - _MOST_STEPS} more")
    if stage.artifacts:
        lines.append(f"writes {_shortened(stage.artifacts)}")
    return lines


def _values(stage: Stage, producer: str) -> str:
    return _shortened(tuple(item.step for item in stage.inputs if item.stage == producer))


def _shortened(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_MOST_STEPS])
    return f"{shown} and {len(names) - _MOST_STEPS} more" if len(names) > _MOST_STEPS else shown


def _mermaid(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace("\n", " ")


def _dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
