"""Why a stage is what it is, in sentences for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dioptra_ray.planning.binding import Binding
from dioptra_ray.planning.copying import Copying
from dioptra_ray.planning.nodes import Nodes
from dioptra_ray.planning.plan import Mode
from dioptra_ray.planning.resources import describe, difference, fits
from dioptra_ray.planning.setup import Setup
from dioptra_ray.planning.steps import StepGraph

_MOST_NAMES = 6
_MOST_CUTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the planner knows about its decisions.

    Attributes:
        graph: The steps.
        binding: Who shares the bound process.
        nodes: The stages.
        mode: How free steps were fused.
        too_many: Whether they were fused further than asked, to keep the plan small.
    """

    graph: StepGraph
    binding: Binding
    nodes: Nodes
    mode: Mode
    too_many: bool

    def reason(self, node: int, setup: Setup, copying: Copying) -> str:
        """Why the stage `node` has these steps, and why it is apart from those before it."""
        sentences = [
            *self._together(node),
            *self._apart(node),
            *self._setup(setup),
            *self._copied(copying),
            *self._could_part(node),
        ]
        return " ".join(sentences)

    def _together(self, node: int) -> Iterable[str]:
        steps = self.nodes.steps[node]
        bound = [step for step in steps if self.graph.bound[step]]
        free = [step for step in steps if step not in self.binding.phase]
        if bound:
            yield self._bound_sentence(bound)
            yield from self._attached_sentences(steps)
        between = [step for step in steps if step in self.binding.between]
        if between:
            yield (
                f"{self._names(between)} {_be(between)} declared free, but lie"
                f"{'s' if len(between) == 1 else ''} between steps that share this process."
            )
        if free and bound:
            yield f"{self._names(free)} could not run beside them anyway, so no value is shipped."
        elif len(free) > 1 and self.mode == "latency":
            yield f"{self._names(free)} are a chain: none could run beside another."
        elif len(free) > 1:
            yield f"{self._names(free)} are free and ask for nodes of one kind: {self._fused()}."
        elif free:
            asked = describe(self.nodes.resources[node])
            yield f"{self._names(free)} is declared free and asks for {asked}."

    def _fused(self) -> str:
        if self.too_many:
            return "fused, because the graph has too many stages to pass files between"
        return "fused as far as resources allow, for throughput"

    def _bound_sentence(self, bound: Sequence[int]) -> str:
        if len(bound) == len(self.graph.names):
            if len(bound) == 1:
                return f"{self._names(bound)} is the only step."
            return "No step is declared free, so all share one process, in Dioptra's order."
        if len(bound) == 1:
            return f"{self._names(bound)} is bound to the job's own process."
        return f"{self._names(bound)} are bound: they share one process, in Dioptra's order."

    def _attached_sentences(self, steps: Sequence[int]) -> Iterable[str]:
        by_partner: dict[int, list[int]] = {}
        for step in steps:
            if step in self.binding.attached:
                by_partner.setdefault(self.binding.attached[step], []).append(step)
        for partner, attached in by_partner.items():
            yield (
                f"{self._names(attached)} {_be(attached)} declared free, but share"
                f"{'s' if len(attached) == 1 else ''} the process of {self._names([partner])} "
                "because of `dependencies`; if that one were declared free too, it would be "
                "replayed instead."
            )

    def _apart(self, node: int) -> Iterable[str]:
        steps = self.nodes.steps[node]
        phases = sorted({self.binding.phase[step] for step in steps if step in self.binding.phase})
        for phase in phases:
            if phase > 0:
                culprit = self.binding.cuts[phase - 1]
                yield (
                    "A process of its own, after the first bound steps, since "
                    f"{self._names([culprit])} must run between them and asks for "
                    f"{describe(self.graph.resources[culprit])}."
                )
        if not phases:
            yield from self._cuts(node)

    def _cuts(self, node: int) -> Iterable[str]:
        own = self.nodes.resources[node]
        for other in self.nodes.before[node][:_MOST_CUTS]:
            theirs = self.nodes.resources[other]
            if not (fits(own, theirs) and fits(theirs, own)) or (
                self.mode == "latency" and own != theirs
            ):
                yield f"Apart from s{other}: it asks for {difference(own, theirs)}."
            elif self.nodes.retries[other] != self.nodes.retries[node]:
                yield f"Apart from s{other}: they may be repeated differently often."
            else:
                yield f"Apart from s{other}: more than one branch leaves it or joins here."

    def _setup(self, setup: Setup) -> Iterable[str]:
        if setup.replayed:
            yield (
                f"{self._names(setup.replayed)} run{'s' if len(setup.replayed) == 1 else ''} here "
                "again first, for the side effects that `dependencies` promise."
            )
        if setup.only_ordered:
            yield (
                f"{self._names(setup.only_ordered)} cannot run here again; of what "
                f"{'it does' if len(setup.only_ordered) == 1 else 'they do'} only files are seen."
            )

    def _copied(self, copying: Copying) -> Iterable[str]:
        """Values that a declaration of `readonly` does not keep from being copied."""
        for producer, culprit in copying.copied[:_MOST_CUTS]:
            blamed = "an artifact task takes it too"
            if culprit is not None:
                blamed = f"{self._names([culprit])}, which it may reach, is not declared readonly"
            yield f"The value of {self._names([producer])} is copied, since {blamed}."

    def _could_part(self, node: int) -> Iterable[str]:
        """Bound steps on one level of the stage exchange nothing, even through others."""
        own = set(self.nodes.steps[node])
        level: dict[int, int] = {}
        by_level: dict[int, list[int]] = {}
        for step in self.nodes.steps[node]:
            above = [level[p] for p in self.graph.before[step] if p in own]
            level[step] = 1 + max(above, default=-1)
            by_level.setdefault(level[step], []).append(step)
        for steps in by_level.values():
            if len(steps) > 1 and any(self.graph.bound[step] for step in steps):
                yield f"{self._names(steps)} could run side by side if declared parallel."
                return

    def _names(self, steps: Sequence[int]) -> str:
        shown = [f"`{self.graph.names[step]}`" for step in steps[:_MOST_NAMES]]
        if len(steps) > _MOST_NAMES:
            shown.append(f"{len(steps) - _MOST_NAMES} more")
        return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _be(steps: Sequence[int]) -> str:
    return "is" if len(steps) == 1 else "are"
