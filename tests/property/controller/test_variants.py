"""The combinations of alternatives of any space."""

from hypothesis import given
from hypothesis import strategies as st

from dioptra_controller.sweeps.space import Dimension, Grid, PointList, Space
from dioptra_controller.sweeps.variants import (
    Variants,
    choices_of,
    combinations,
    count_combinations,
    parameters_of,
    varied_swaps,
)

ALIASES = st.sampled_from(["a", "b", "c"])
SWAPS = st.lists(st.sampled_from(["?x", "?y"]), unique=True)
NAMES = st.builds(lambda swaps, names: [*swaps, *names], SWAPS, st.sampled_from([[], ["eps"]]))


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    names = draw(st.permutations(draw(NAMES.filter(bool))))
    if draw(st.booleans()):
        values = st.lists(ALIASES, min_size=1, max_size=4).map(tuple)
        return Grid(tuple(Dimension(parameter=name, values=draw(values)) for name in names))
    points = st.lists(st.fixed_dictionaries(dict.fromkeys(names, ALIASES)), min_size=1, max_size=9)
    return PointList(tuple(draw(points)))


@given(spaces())
def test_every_trial_finds_the_plan_of_its_choices(space: Space) -> None:
    found = list(combinations(space))
    assert len(found) == count_combinations(space)
    plans = {
        tuple(sorted({"z": "1", **one}.items())): f"plan {sorted(one.items())}" for one in found
    }
    assert len(plans) == len(found)
    varied = bool(varied_swaps(space))
    variants = Variants({"z": "1"}, "the only plan", plans if varied else {})
    for trial in range(space.size):
        point = space.point(trial)
        choices, plan = variants.find(point)
        assert choices == {"z": "1", **choices_of(point)}
        assert plan == (f"plan {sorted(choices_of(point).items())}" if varied else "the only plan")
        assert {*parameters_of(point), *(f"?{name}" for name in choices_of(point))} == {*point}


@given(spaces())
def test_combinations_come_in_the_order_of_the_trials(space: Space) -> None:
    seen = [choices_of(space.point(trial)) for trial in range(space.size)]
    first = [one for index, one in enumerate(seen) if one not in seen[:index]]
    assert list(combinations(space)) == first
