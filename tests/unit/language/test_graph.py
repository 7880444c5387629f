import pytest

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.language.graph import (
    Invocation,
    Reference,
    StepLinks,
    StepNotFoundError,
    StepReferenceCycleError,
    execution_order,
    find_references,
    links,
    parse_reference,
    read_invocation,
    unescape,
)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"t": 1}, Invocation(task="t", args=(1,))),
        ({"t": None}, Invocation(task="t", args=(None,))),
        ({"t": [1, [2]]}, Invocation(task="t", args=(1, [2]))),
        ({"t": []}, Invocation(task="t")),
        ({"t": {}}, Invocation(task="t")),
        ({"t": {"a": 1}}, Invocation(task="t", kwargs={"a": 1})),
        ({"dependencies": "s", "t": [1]}, Invocation(task="t", args=(1,), dependencies=("s",))),
        ({"task": "t"}, Invocation(task="t")),
        ({"task": "t", "args": None}, Invocation(task="t", args=(None,))),
        (
            {"task": "t", "args": [1], "kwargs": {"b": 2}, "dependencies": ["x", "x"]},
            Invocation(task="t", args=(1,), kwargs={"b": 2}, dependencies=("x", "x")),
        ),
    ],
)
def test_invocations(step, expected):
    assert read_invocation(step) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$a", Reference(name="a")),
        ("$a.b.c", Reference(name="a", output="b.c")),
        ("$a.", Reference(name="a", output="")),
        ("$.a", Reference(name="", output="a")),
        ("$ ", Reference(name=" ")),
        ("$", None),
        ("$$", None),
        ("$$a", None),
        ("a$b", None),
        ("", None),
    ],
)
def test_references(text, expected):
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$$x", "$x"), ("$$", "$"), ("$$$x", "$$x"), ("$", "$"), ("a$$b", "a$$b"), ("", "")],
)
def test_escapes(text, expected):
    assert unescape(text) == expected


def test_references_are_found_at_any_depth_also_below_a_key_called_task():
    value = [{"task": "$a", "v": ["$b.x", ("$c",)], "$key": 1}, "$$d", "$e"]
    assert [reference.name for reference in find_references(value)] == ["a", "b", "c", "e"]


def test_a_very_deep_value_does_not_exhaust_the_stack():
    value = "$a"
    for _ in range(50_000):
        value = [value]
    assert [reference.name for reference in find_references(value)] == ["a"]


def graph(**steps):
    return {"tasks": {"t": {"plugin": "m.f"}}, "graph": steps}


def test_links_tell_data_from_order():
    description = {
        **graph(
            a={"t": []},
            b={"t": []},
            c={"t": ["$b", "$p", "$a.o", "$b"], "dependencies": ["d", "a", "d"]},
            d={"t": []},
        ),
        "parameters": {"p": 1},
    }
    assert links(description)["c"] == StepLinks(data=("b", "a"), order_only=("d",))
    assert links(description)["a"] == StepLinks()


def test_a_dollar_under_dependencies_is_part_of_a_name():
    description = graph(**{"a": {"t": [], "dependencies": ["$b"]}, "$b": {"t": []}})
    assert execution_order(description) == ["$b", "a"]


def test_a_parameter_hides_a_step_from_bare_references_only():
    description = {**graph(p={"t": []}, a={"t": "$p"}, b={"t": "$p.o"}), "parameters": {"p": 1}}
    assert links(description)["a"].data == ()
    assert links(description)["b"].data == ("p",)


def test_order_is_level_by_level_by_first_mention():
    description = graph(a={"t": ["$x", "$y"]}, b={"t": []}, y={"t": []}, x={"t": []}, c={"t": "$b"})
    assert execution_order(description) == ["x", "y", "b", "a", "c"]


def test_a_cycle_is_named_in_the_order_of_waiting():
    with pytest.raises(StepReferenceCycleError) as caught:
        execution_order(graph(a={"t": "$b"}, b={"t": [], "dependencies": "a"}))
    assert caught.value.steps in (("a", "b", "a"), ("b", "a", "b"))


def test_an_unknown_dependency_is_named():
    with pytest.raises(StepNotFoundError) as caught:
        execution_order(graph(a={"t": [], "dependencies": ["zz"]}))
    assert (caught.value.step, caught.value.missing) == ("a", "zz")


def test_an_open_swap_is_no_invocation():
    """Who forgets to render must not run a task called ?kind."""
    with pytest.raises(InvalidRequestError, match="choose one of a, b"):
        read_invocation({"?kind": {"a": {"t": []}, "b": {"t": []}}})
