"""Reading and merging declarations."""

from typing import Any

import pytest

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.planning.declarations import Declaration, read_declaration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("90", 90.0),
        ("90s", 90.0),
        ("2h", 7200.0),
        ("2H", 7200.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("1.5 h", 5400.0),
        ("1d", 86400.0),
        ("250ms", 0.25),
    ],
)
def test_timeouts(text: Any, seconds: float) -> None:
    assert read_declaration({"timeout": text}).timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    "wrong", ["", "h", "2x", "2h!", "-1s", "0", 0, -1, True, float("inf"), [], "1h30"]
)
def test_timeouts_that_are_none(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r'timeout must be .*"1h30m"'):
        read_declaration({"timeout": wrong})


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1024, 1024),
        ("1024", 1024),
        ("4GiB", 4 << 30),
        ("4 gib", 4 << 30),
        ("500MB", 500_000_000),
        ("0.5KiB", 512),
        ("2G", 2_000_000_000),
        ("2Gi", 2 << 30),
    ],
)
def test_memory(text: Any, size: int) -> None:
    assert read_declaration({"memory": text}).memory == size


@pytest.mark.parametrize("wrong", ["", "GiB", "4 XB", "-4GiB", -1, True, float("nan"), {}])
def test_memory_that_is_none(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r'memory must be .*"4GiB"'):
        read_declaration({"memory": wrong})


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"num_gpus": 1.5}, "num_gpus must be a fraction below 1, or a whole number"),
        ({"num_gpus": -1}, "num_gpus must be"),
        ({"num_gpus": "1"}, "num_gpus must be"),
        ({"num_cpus": True}, "num_cpus must be a number"),
        ({"parallel": "yes"}, "parallel must be true or false, not 'yes'"),
        ({"pure": 1}, "pure must be true or false"),
        ({"readonly": 0}, "readonly must be true or false"),
        ({"retries": -1}, "retries must be a whole number"),
        ({"retries": 1.0}, "retries must be a whole number"),
        ({"retries": True}, "retries must be a whole number"),
        ({"retry_on": ["a b"]}, "retry_on must be a list of names of exceptions"),
        ({"retry_on": [ValueError]}, "retry_on must be"),
        ({"retry_on": 3}, "retry_on must be"),
        ({"retry_delay": -1}, "retry_delay must be a number of seconds"),
        ({"retry_delay": "soon"}, "retry_delay must be"),
        ({"labels": {"zone": 1}}, "labels must be a mapping"),
        ({"labels": ["zone"]}, "labels must be a mapping"),
        ({"resources": {"tpu": 0}}, "resources must be a mapping"),
        ({"resources": {"GPU": 1}}, "has its own setting, num_gpus"),
        ({"num_gpu": 1}, "did you mean num_gpus"),
        ({"colour": "red"}, "known are num_cpus"),
        ([], "must be a mapping of settings"),
        (None, "must be a mapping of settings"),
    ],
)
def test_what_is_wrong_is_said(mapping: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        read_declaration(mapping)


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_declaration({"num_gpus": 1.5, "memory": "x", "colour": 1, "timeout": "2h"})
    assert all(name in str(caught.value) for name in ("num_gpus", "memory", "colour"))
    assert "timeout must" not in str(caught.value)


def test_none_says_nothing_and_a_declaration_can_be_written_again() -> None:
    assert read_declaration({"num_gpus": None}) == Declaration()
    said = read_declaration(
        {"num_gpus": 0.5, "labels": {"b": "2", "a": "1"}, "timeout": "1m", "resources": {"x": 2}}
    )
    assert said.labels == (("a", "1"), ("b", "2"))
    assert read_declaration(said.to_mapping()) == said
    assert hash(said)


def test_what_a_step_is_repeated_after() -> None:
    said = read_declaration({"retries": 1, "retry_on": ["b.C", "A", "A"], "retry_delay": "5s"})
    assert (said.retry_on, said.retry_delay) == (("A", "b.C"), 5.0)
    assert read_declaration({"retry_on": "A", "retry_delay": 0}).retry_on == ("A",)
    assert read_declaration(said.to_mapping()) == said


def test_the_stronger_declaration_wins_field_by_field() -> None:
    weak = read_declaration(
        {"num_gpus": 1, "retries": 3, "parallel": True, "labels": {"zone": "a", "disk": "ssd"}}
    )
    strong = read_declaration(
        {"num_gpus": 0, "parallel": False, "timeout": 5, "labels": {"zone": "b"}}
    )
    merged = strong.merged_over(weak)
    assert merged == read_declaration(
        {
            "num_gpus": 0,
            "retries": 3,
            "parallel": False,
            "timeout": 5,
            "labels": {"zone": "b", "disk": "ssd"},
        }
    )
    assert Declaration().merged_over(weak) == weak
    assert weak.merged_over(Declaration()) == weak


@pytest.mark.parametrize("quiet", [{"retries": 1}, {"timeout": 1}, {"pure": True}, {}])
def test_only_resources_ask_for_resources(quiet: dict[str, Any]) -> None:
    assert not read_declaration(quiet).asks_for_resources
    assert read_declaration({**quiet, "num_cpus": 1}).asks_for_resources
