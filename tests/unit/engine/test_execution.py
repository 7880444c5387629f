"""How steps are called, what they get, and what becomes of what they return."""

import itertools
import logging
import weakref
from typing import Any

import pytest

from dioptra_ray.context import CurrentJob, bind, current_job
from dioptra_ray.engine import JobCancelledError, Program, StepFailedError


class Recorder:
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def step_started(self, step: str) -> None:
        self.heard.append(("started", step))

    def step_finished(self, step: str) -> None:
        self.heard.append(("finished", step))

    def step_failed(self, step: str, error: StepFailedError) -> None:
        self.heard.append(("failed", step, error.error_type))


def give(value: Any) -> Any:
    return value


def show(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def test_arguments_in_all_styles_reach_the_function(tasks, execution) -> None:
    run = execution(
        {
            "tasks": tasks(show=show),
            "graph": {
                "scalar": {"show": 1},
                "null": {"show": None},
                "many": {"show": [1, [2]]},
                "keywords": {"show": {"a": 1}},
                "mixed": {"task": "show", "args": [1], "kwargs": {"b": 2}},
            },
        }
    )
    for step in ("scalar", "null", "many", "keywords", "mixed"):
        run.run_step(step)
    assert {step: outputs["value"] for step, outputs in run.outputs.items()} == {
        "scalar": ((1,), {}),
        "null": ((None,), {}),
        "many": ((1, [2]), {}),
        "keywords": ((), {"a": 1}),
        "mixed": ((1,), {"b": 2}),
    }


def test_references_give_the_same_object_and_literals_a_new_one(tasks, execution) -> None:
    literal = [1, {"k": []}]
    shared: list[int] = []
    description = {
        "tasks": tasks(give=give),
        "graph": {"a": {"give": [literal]}, "b": {"give": "$a"}, "c": {"give": "$p"}},
    }
    run = execution(description, parameters={"p": shared})
    for step in "abc":
        run.run_step(step)
    made = run.outputs["a"]["value"]
    assert made == literal
    assert made is not literal
    assert made[1] is not literal[1]
    assert run.outputs["b"]["value"] is made
    assert run.outputs["c"]["value"] is shared


def test_references_and_escapes_at_any_depth_but_not_in_keys(tasks, execution) -> None:
    run = execution(
        {
            "tasks": tasks(give=give),
            "graph": {"s": {"give": [{"$p": ["$p", {"x": "$$p"}, "$", "a$p"], "task": ["$p"]}]}},
        },
        parameters={"p": 7},
    )
    run.run_step("s")
    assert run.outputs["s"]["value"] == {"$p": [7, {"x": "$p"}, "$", "a$p"], "task": [7]}


def test_a_program_can_be_shared_by_executions(tasks, execution) -> None:
    program = Program({"tasks": tasks(give=give), "graph": {"s": {"give": [["$p"]]}}})
    one, two = (execution(program, parameters={"p": value}) for value in (1, 2))
    one.run_step("s")
    two.run_step("s")
    assert (one.outputs["s"]["value"], two.outputs["s"]["value"]) == ([1], [2])


def test_outputs_of_steps_that_ran_elsewhere_can_be_put_in(tasks, execution) -> None:
    run = execution({"tasks": tasks(give=give), "graph": {"s": {"give": "$other.x"}}})
    run.outputs["other"] = {"x": 5}
    run.run_step("s")
    assert run.outputs["s"] == {"value": 5}


@pytest.mark.parametrize(
    ("declared", "value", "outputs"),
    [
        ({"a": "any"}, (1, 2), {"a": (1, 2)}),
        ([{"a": "any"}], [3], {"a": 3}),
        ([{"a": "any"}, {"b": "any"}], {"x": 1, "y": 2}, {"a": "x", "b": "y"}),
        ([{"a": "any"}, {"b": "any"}], "pq", {"a": "p", "b": "q"}),
        ([{"a": "any"}, {"b": "any"}], b"\x01\x02", {"a": 1, "b": 2}),
        ([], 5, None),
    ],
)
def test_outputs(tasks, execution, declared, value, outputs) -> None:
    run = execution(
        {"tasks": tasks(declared, make=lambda: value), "graph": {"s": {"make": {}}}},
    )
    run.run_step("s")
    assert run.outputs.get("s") == outputs


def test_an_endless_generator_is_asked_for_no_more_than_needed(tasks, execution) -> None:
    counter = itertools.count()
    declared = [{"a": "any"}, {"b": "any"}]
    run = execution({"tasks": tasks(declared, make=lambda: counter), "graph": {"s": {"make": {}}}})
    run.run_step("s")
    assert run.outputs["s"] == {"a": 0, "b": 1}
    assert next(counter) == 2


def test_a_value_of_another_length_is_warned_about(tasks, execution, caplog) -> None:
    declared = [{"a": "any"}, {"b": "any"}]
    run = execution({"tasks": tasks(declared, make=lambda: [1]), "graph": {"s": {"make": {}}}})
    run.run_step("s")
    assert run.outputs["s"] == {"a": 1}
    assert "step 's' has 1 parts for 2 outputs" in caplog.text


def test_a_length_that_cannot_be_known_is_none(tasks, execution, caplog) -> None:
    class Endless:
        def __iter__(self):
            return itertools.count()

        def __len__(self):
            raise RuntimeError("unknown")

    declared = [{"a": "any"}, {"b": "any"}]
    run = execution({"tasks": tasks(declared, make=Endless), "graph": {"s": {"make": {}}}})
    run.run_step("s")
    assert run.outputs["s"] == {"a": 0, "b": 1}
    assert not caplog.records


@pytest.mark.parametrize(
    ("reference", "error_type"),
    [
        ("$nowhere", "UnresolvableReferenceError"),
        ("$nowhere.x", "UnresolvableReferenceError"),
        ("$p.x", "UnresolvableReferenceError"),
        ("$pair", "IllegalOutputReferenceError"),
        ("$pair.z", "OutputNotFoundError"),
        ("$art", "IllegalOutputReferenceError"),
        ("$art.z", "ArtifactOutputNotFoundError"),
    ],
)
def test_references_that_lead_nowhere(tasks, execution, reference, error_type) -> None:
    run = execution(
        {"tasks": tasks(give=give), "graph": {"s": {"give": reference}}},
        parameters={"p": 1},
        artifacts={"art": {"x": 1, "y": 2}},
    )
    run.outputs["pair"] = {"a": 1, "b": 2}
    with pytest.raises(StepFailedError) as caught:
        run.run_step("s")
    assert caught.value.error_type == error_type
    assert reference.strip("$").partition(".")[0] in caught.value.message


@pytest.mark.parametrize(
    ("task", "error_type"),
    [
        ({}, "MissingTaskPluginNameError"),
        ({"plugin": "nodot"}, "IllegalPluginNameError"),
        ({"plugin": "no_such_module_at_all.f"}, "UnknownPluginError"),
        ({"plugin": "no_such_package_at_all.tasks.f"}, "UnknownPackageError"),
        ({"plugin": "made_up.tasks.unregistered"}, "UnknownPluginFunctionError"),
        (None, "TaskPluginNotFoundError"),
    ],
)
def test_tasks_that_cannot_be_called(tasks, execution, task, error_type) -> None:
    tasks(give=give)
    run = execution({"tasks": {"t": task} if task is not None else {}, "graph": {"s": {"t": []}}})
    with pytest.raises(StepFailedError) as caught:
        run.run_step("s")
    assert (caught.value.step, caught.value.error_type) == ("s", error_type)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_plugin_raises_is_the_failure_of_its_step(tasks, execution, error) -> None:
    def fail() -> None:
        raise error

    recorder = Recorder()
    run = execution(
        {"tasks": tasks(give=give, fail=fail), "graph": {"a": {"give": 1}, "s": {"fail": []}}},
        observer=recorder,
    )
    run.run_step("a")
    with pytest.raises(StepFailedError) as caught:
        run.run_step("s")
    failure = caught.value
    assert failure.__cause__ is error
    assert failure.step == "s"
    assert failure.error_type == type(error).__name__
    assert failure.steps == {"a": {"value": 1}}
    assert failure.detail.message == str(error)
    assert recorder.heard == [
        ("started", "a"),
        ("finished", "a"),
        ("started", "s"),
        ("failed", "s", type(error).__name__),
    ]


def test_a_cancelled_job_is_no_failure_of_a_step(tasks, execution) -> None:
    def wait() -> None:
        try:
            raise JobCancelledError  # noqa: TRY301 - as a signal handler does
        except Exception:  # noqa: BLE001 - as plugins do
            raise AssertionError from None

    recorder = Recorder()
    run = execution({"tasks": tasks(wait=wait), "graph": {"s": {"wait": []}}}, observer=recorder)
    with pytest.raises(JobCancelledError):
        run.run_step("s")
    assert recorder.heard == [("started", "s")]


def test_a_step_knows_its_name(tasks, execution) -> None:
    def outer() -> Any:
        return current_job().step

    run = execution({"tasks": tasks(outer=outer), "graph": {"s": {"outer": []}}})
    with bind(CurrentJob()) as job:
        run.run_step("s")
        assert job.step is None
    assert run.outputs["s"] == {"value": "s"}


def test_each_step_is_announced(tasks, execution, caplog) -> None:
    caplog.set_level(logging.INFO, logger="dioptra_ray.engine")
    run = execution({"tasks": tasks(give=give), "graph": {"s": {"give": 1}}})
    run.run_step("s")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Running step: s")
    ]


class Large:
    """Something that can be watched."""


def watching(tasks, **more):
    """Tasks that make, use and watch; `watch` says which of what was made is still there."""
    made: dict[str, weakref.ref[Large]] = {}

    def make(name: str, *_: Any) -> Large:
        value = Large()
        made[name] = weakref.ref(value)
        return value

    def use(*values: Any) -> int:
        return len(values)

    def watch(*_: Any) -> list[str]:
        return sorted(name for name, ref in made.items() if ref() is not None)

    return tasks(make=make, use=use, watch=watch, **more)


def test_outputs_are_freed_after_their_last_use(tasks, execution) -> None:
    graph = {
        "large": {"make": "large"},
        "exported": {"make": "exported"},
        "unused": {"make": "unused"},
        "first": {"watch": []},
        "size": {"use": "$large"},
        "second": {"watch": "$size"},
    }
    run = execution({"tasks": watching(tasks), "graph": graph})
    run.run_steps(tuple(graph), kept={"exported", "first", "second"})
    assert run.outputs["first"] == {"value": ["exported", "large"]}
    assert run.outputs["second"] == {"value": ["exported"]}
    assert sorted(run.outputs) == ["exported", "first", "second"]


def test_a_step_that_is_depended_on_keeps_what_it_made(tasks, execution) -> None:
    graph = {
        "folder": {"make": "folder"},
        "later": {"task": "watch", "dependencies": ["folder"]},
        "last": {"watch": []},
    }
    run = execution({"tasks": watching(tasks), "graph": graph})
    run.run_steps(tuple(graph), kept={"later", "last"})
    assert run.outputs == {"later": {"value": ["folder"]}, "last": {"value": []}}


def test_one_output_that_is_needed_keeps_the_others_of_its_step(tasks, execution) -> None:
    def pair() -> tuple[Any, int]:
        value = Large()
        return value, id(value)

    described = watching(tasks) | tasks([{"value": "any"}, {"id": "any"}], pair=pair)
    graph = {
        "both": {"pair": []},
        "size": {"use": "$both.id"},
        "end": {"use": ["$size"]},
    }
    run = execution({"tasks": described, "graph": graph})
    seen = []
    run_step = run.run_step

    def step(name: str) -> None:
        seen.append(sorted(run.outputs))
        run_step(name)

    run.run_step = step  # type: ignore[method-assign]
    run.run_steps(tuple(graph), kept=())
    assert seen == [[], ["both"], ["size"]]
    assert run.outputs == {}


def test_what_came_from_elsewhere_is_freed_as_well(tasks, execution) -> None:
    graph = {
        "given": {"make": "given"},
        "replayed": {"make": "replayed"},
        "size": {"use": "$given"},
        "seen": {"watch": "$size"},
    }
    run = execution({"tasks": watching(tasks), "graph": graph})
    run.run_step("given")
    run.run_step("replayed")
    run.run_steps(("size", "seen"), kept={"seen"})
    assert run.outputs == {"seen": {"value": []}}
