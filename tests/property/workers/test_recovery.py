"""However nodes and steps fail, a job ends as if each of its stages had run exactly once."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from dioptra_ray.planning.plan import Stage, StageInput
from dioptra_workers.runner.recovery import taken, to_repeat

NODES = 5


@st.composite
def plans(draw: st.DrawFn) -> tuple[Stage, ...]:
    """Stages whose `after` holds all that come before them, as the planner makes them."""
    stages: list[Stage] = []
    for number in range(draw(st.integers(1, 6))):
        direct = [one for one in stages if draw(st.booleans())]
        above = {name for one in direct for name in (one.name, *one.after)}
        before = [one for one in stages if one.name in above]
        stages.append(
            Stage(
                name=f"s{number}",
                steps=(f"a{number}",),
                exports=(f"a{number}",),
                inputs=tuple(
                    StageInput(stage=one.name, step=one.steps[0])
                    for one in before
                    if one in direct or draw(st.booleans())
                ),
                after=tuple(one.name for one in before),
                workspace=tuple(one.name for one in before if draw(st.booleans())),
                pure=draw(st.booleans()),
            )
        )
    return tuple(stages)


@dataclass
class Cluster:
    """A job on nodes that die: where its stages are, and what they took and made."""

    stages: tuple[Stage, ...]
    round: dict[str, int] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    took: dict[str, dict[str, object]] = field(default_factory=dict)
    made: dict[str, object] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.named = {stage.name: stage for stage in self.stages}
        self.round = dict.fromkeys(self.named, 0)

    def ready(self) -> list[str]:
        """Those that wait and have all before them finished."""
        return [
            name
            for name, stage in self.named.items()
            if name not in self.begun
            and name not in self.finished
            and all(one in self.finished for one in stage.after)
        ]

    def begin(self, name: str, node: int) -> None:
        """Start it, or notice that what it takes is gone."""
        needed = {producer for producer, _ in taken(self.named[name])}
        if needed & self.gone:
            self.repeat({name})
            return
        self.begun[name] = node
        self.took[name] = {one: self.made[one] for one in self.named[name].after}

    def finish(self, name: str) -> None:
        """It has made something; what nobody takes any more is released."""
        self.finished[name] = self.begun.pop(name)
        number = None if self.named[name].pure else self.round[name]
        self.made[name] = (name, number, tuple(sorted(self.took[name].items())))
        wanted = {
            producer
            for one in self.stages
            if one.name not in self.finished
            for producer, _ in taken(one)
        }
        self.gone |= self.finished.keys() - wanted

    def kill(self, node: int) -> None:
        """What runs there is lost, and what was made there as well."""
        self.gone |= {name for name, place in self.finished.items() if place == node}
        for name in [name for name, place in self.begun.items() if place == node]:
            if self.begun.get(name) == node:
                self.repeat({name})

    def repeat(self, first: set[str]) -> None:
        missing = {(name, step) for name in self.gone for step in (*self.named[name].exports, None)}
        have_all = (self.finished.keys() | self.begun.keys()) - first
        for name in to_repeat(self.stages, first, have_all=have_all, missing=missing):
            self.round[name] += 1
            for known in (self.begun, self.finished, self.took, self.made):
                known.pop(name, None)  # type: ignore[attr-defined]
            self.gone.discard(name)


@settings(max_examples=300)
@given(plans(), st.data())
def test_a_job_ends_as_if_nothing_had_been_lost(stages: tuple[Stage, ...], data: st.DataObject):
    cluster = Cluster(stages)
    disturbances = data.draw(st.integers(0, 6))
    turns = 0
    while len(cluster.finished) < len(stages):
        turns += 1
        assert turns < 500, "it does not end"
        acts: list[tuple[str, str | int]] = [("begin", name) for name in cluster.ready()]
        acts += [("finish", name) for name in cluster.begun]
        if disturbances and data.draw(st.integers(0, 3)) == 0:
            acts += [("kill", node) for node in range(NODES)]
            acts += [("fail", name) for name in cluster.begun]
        act, what = data.draw(st.sampled_from(acts))
        disturbances -= act in ("kill", "fail")
        match act:
            case "begin":
                cluster.begin(str(what), data.draw(st.integers(0, NODES - 1)))
            case "finish":
                cluster.finish(str(what))
            case "fail":
                cluster.repeat({str(what)})
            case _:
                cluster.kill(int(what))
        # Nothing waits for what will never come: something can always happen.
        assert cluster.ready() or cluster.begun or len(cluster.finished) == len(stages)
    for stage in stages:
        made_last = {one: cluster.made[one] for one in stage.after}
        assert cluster.took[stage.name] == made_last, "it kept what a lost round had made"
