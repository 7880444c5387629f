"""Exceptions into data, also those that resist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.engine import StepFailedError, describe_exception
from dioptra_ray.plugins.activation import PluginSet, activate, forget

SOURCE = """\
from dioptra import pyplugs
from json import loads

def helper():
    return loads("{")

@pyplugs.register
def deep():
    helper()

@pyplugs.register
def chained():
    try:
        helper()
    except ValueError as error:
        raise RuntimeError("outer") from error
"""


@pytest.fixture
def fail(tmp_path: Path, execution: Callable[..., Any]):
    """Runs one function of a plugin as a step; returns the failure."""
    (tmp_path / "plug").mkdir()

    def run(function: str, source: str = SOURCE, file: str = "tasks") -> StepFailedError:
        (tmp_path / "plug" / f"{file}.py").write_text(source)
        plugin_set = PluginSet(key=str(tmp_path), root=tmp_path)
        task = {"plugin": f"plug.tasks.{function}"}
        with activate(plugin_set), pytest.raises(StepFailedError) as caught:
            execution({"tasks": {"t": task}, "graph": {"s": {"t": []}}}).run_step("s")
        forget(plugin_set.key)
        return caught.value

    return run


def test_the_innermost_plugin_line_is_named(fail) -> None:
    failure = fail("deep")
    assert (failure.detail.file, failure.detail.line) == ("plug/tasks.py", 5)
    assert "plug/tasks.py:5" in failure.message
    assert failure.error_type == "JSONDecodeError"


def test_the_traceback_has_no_frame_of_ours(fail) -> None:
    trace = fail("deep").detail.traceback
    assert trace.startswith("Traceback (most recent call last):\n")
    assert "dioptra_ray" not in trace
    assert "in deep" in trace
    assert "in loads" in trace


def test_chained_exceptions_are_shown(fail) -> None:
    trace = fail("chained").detail.traceback
    assert "JSONDecodeError" in trace
    assert "direct cause" in trace
    assert trace.endswith("RuntimeError: outer\n")
    assert "dioptra_ray" not in trace


def test_a_file_that_cannot_be_compiled_is_the_place(fail) -> None:
    failure = fail("f", "x = 1\ndef f(:\n")
    assert failure.error_type == "SyntaxError"
    assert (failure.detail.file, failure.detail.line) == ("plug/tasks.py", 2)


def test_an_import_that_fails_names_its_line_and_hides_the_machinery(fail) -> None:
    failure = fail("f", "import os\nimport no_such_module_anywhere\n")
    assert failure.error_type == "ModuleNotFoundError"
    assert (failure.detail.file, failure.detail.line) == ("plug/tasks.py", 2)
    assert "importlib" not in failure.detail.traceback
    assert "dioptra_ray" not in failure.detail.traceback


def test_an_error_of_the_engine_has_no_place(fail) -> None:
    detail = fail("missing").detail
    assert (detail.file, detail.line) == (None, None)
    assert "Traceback" not in detail.traceback or "File" not in detail.traceback


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even this")


class HostileError(Exception):
    @property
    def __cause__(self) -> Any:
        raise ValueError("no cause for you")


@pytest.mark.parametrize("kind", [UnprintableError, HostileError])
def test_exceptions_that_resist_are_described_all_the_same(kind, tmp_path) -> None:
    detail = describe_exception(kind("x"), tmp_path)
    assert detail.error_type == kind.__name__
    assert kind.__name__ in detail.traceback


def test_exceptions_that_caused_each_other_end(tmp_path) -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert "ValueError: one" in describe_exception(one, tmp_path).traceback


def test_groups_show_their_parts(tmp_path) -> None:
    trace = describe_exception(ExceptionGroup("many", [KeyError("k")]), tmp_path).traceback
    assert "KeyError: 'k'" in trace


def test_long_texts_are_shortened_in_the_middle() -> None:
    detail = describe_exception(ValueError("a" * 300_000 + "end"), None)
    assert len(detail.message) < 11_000
    assert len(detail.traceback) < 110_000
    assert detail.message.endswith("end")
    assert "characters left out" in detail.message
