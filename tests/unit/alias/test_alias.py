"""Dioptra's module names lead here, with and without an installed Dioptra."""
# ruff: noqa: PLC0415 - these modules exist only once the alias is installed

import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from dioptra_ray import alias, artifact, pyplugs
from dioptra_ray.context import CurrentJob, MetricPoint, bind
from dioptra_ray.errors import InvalidRequestError, PreconditionError


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    alias.install()
    return


def python(program: str, path: Path | None = None) -> str:
    """Run a program in a process of its own."""
    prelude = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else ""
    done = subprocess.run(
        [sys.executable, "-c", prelude + textwrap.dedent(program)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_way_to_import_pyplugs() -> None:
    import dioptra.pyplugs as by_module
    from dioptra import pyplugs as by_package
    from dioptra.pyplugs import register as task

    assert by_module is by_package
    assert task is pyplugs.register
    assert by_package.info is pyplugs.info


def test_the_interface_is_the_same_class() -> None:
    from dioptra.sdk.api.artifact import ArtifactTaskInterface

    assert ArtifactTaskInterface is artifact.ArtifactTaskInterface


def test_exceptions_by_all_their_places() -> None:
    from dioptra.sdk.exceptions import UnknownPluginError
    from dioptra.sdk.exceptions.base import BaseOptionalDependencyError
    from dioptra.sdk.exceptions.optional_dependencies import ARTDependencyError
    from dioptra.sdk.exceptions.pyplugs import UnknownPluginError as Again

    assert UnknownPluginError is Again is pyplugs.UnknownPluginError
    assert issubclass(ARTDependencyError, BaseOptionalDependencyError)


def test_installing_twice_changes_nothing() -> None:
    before = list(sys.meta_path)
    alias.install()
    assert sys.meta_path == before


def test_what_is_not_served_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="restapi"):
        __import__("dioptra.restapi")
    with pytest.raises(ModuleNotFoundError, match="s3"):
        __import__("dioptra.sdk.utilities.s3")


def test_without_installation_there_is_no_dioptra() -> None:
    assert python("import importlib.util; print(importlib.util.find_spec('dioptra'))") == "None\n"


INSTALLED = {
    "dioptra/__init__.py": "REAL = True\n",
    "dioptra/client.py": "REAL = True\n",
    "dioptra/pyplugs/__init__.py": "REAL = True\n",
    "dioptra/pyplugs/extra.py": "REAL = True\n",
    "dioptra/sdk/__init__.py": "",
    "dioptra/sdk/exceptions/__init__.py": "REAL = True\n",
    "dioptra/sdk/exceptions/more.py": "REAL = True\n",
    "dioptra/sdk/utilities/__init__.py": "",
    "dioptra/sdk/utilities/s3.py": "REAL = True\n",
}


@pytest.fixture
def real_dioptra(tmp_path: Path) -> Path:
    for name, source in INSTALLED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def test_beside_an_installed_dioptra_only_what_we_serve_is_ours(real_dioptra: Path) -> None:
    program = """
        from dioptra_ray import alias
        alias.install()
        import dioptra, dioptra.client, dioptra.pyplugs, dioptra.sdk.exceptions.more
        import dioptra.sdk.utilities.s3, dioptra.sdk.utilities.paths, dioptra.sdk.api.artifact
        real = (dioptra, dioptra.client, dioptra.sdk.exceptions.more, dioptra.sdk.utilities.s3)
        print([module.REAL for module in real])
        ours = (dioptra.pyplugs, dioptra.sdk.exceptions, dioptra.sdk.utilities.paths)
        print([hasattr(module, "REAL") for module in ours], dioptra.pyplugs.register.__module__)
    """
    assert python(program, real_dioptra) == (
        "[True, True, True, True]\n[False, False, False] dioptra_ray.pyplugs\n"
    )


def test_an_installed_dioptra_that_was_imported_before_gives_way(real_dioptra: Path) -> None:
    program = """
        import dioptra.pyplugs
        assert dioptra.pyplugs.REAL
        from dioptra_ray import alias
        alias.install()
        from dioptra import pyplugs
        import dioptra.pyplugs as again
        print(pyplugs.register.__module__, again is pyplugs)
    """
    assert python(program, real_dioptra) == "dioptra_ray.pyplugs True\n"


@pytest.fixture
def points() -> Iterator[list[MetricPoint]]:
    logged: list[MetricPoint] = []
    with bind(CurrentJob(id=7, metric_sink=logged.append)):
        yield logged


@pytest.mark.parametrize(
    ("value", "step", "stored", "body"),
    [
        (0.5, 3, (0.5, 3), 0.5),
        ("0.5", "3", (0.5, 3), 0.5),
        (float("inf"), None, (float("inf"), 0), "inf"),
    ],
)
def test_metrics_through_the_client(points, value, step, stored, body) -> None:
    from dioptra.sdk.utilities.auth_client import get_authenticated_worker_client

    client = get_authenticated_worker_client(logging.getLogger(), "json")
    answer = client.jobs.append_metric_by_id(
        job_id="7", metric_name="m", metric_value=value, metric_step=step
    )
    assert answer == {"name": "m", "value": body}
    assert [(point.value, point.step) for point in points] == [stored]


def test_the_response_client_answers_with_a_response(points) -> None:
    from dioptra.sdk.utilities.auth_client import get_authenticated_worker_client

    client = get_authenticated_worker_client(logging.getLogger())
    answer = client.jobs.append_metric_by_id(7, "m", 1.0)
    assert answer.json() == {"name": "m", "value": 1.0}
    assert answer.status_code == 200
    assert len(points) == 1


@pytest.mark.parametrize(
    ("job_id", "name", "step"), [(8, "m", 0), (7, "a.b", 0), (7, "m", "Task 1"), (7, "m", 1.5)]
)
def test_metrics_that_are_refused(points, job_id, name, step) -> None:
    from dioptra.sdk.utilities.auth_client import get_authenticated_worker_client

    client = get_authenticated_worker_client(logging.getLogger(), "json")
    with pytest.raises(InvalidRequestError):
        client.jobs.append_metric_by_id(job_id, name, 1.0, step)
    assert points == []


def test_there_are_no_metrics_without_a_job() -> None:
    from dioptra.sdk.utilities.auth_client import get_authenticated_worker_client

    client = get_authenticated_worker_client(logging.getLogger(), "json")
    with pytest.raises(PreconditionError):
        client.jobs.append_metric_by_id(7, "m", 1.0)


PLUGIN = """
import multiprocessing, subprocess, sys
from dioptra import pyplugs

@pyplugs.register
def own():
    return 1

def in_child(queue):
    queue.put((own.__module__, pyplugs.info("spawner", "tasks").func_name))

@pyplugs.register
def spawn():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=in_child, args=(queue,))
    process.start()
    answer = queue.get(timeout=60)
    process.join()
    program = "from dioptra.sdk.api.artifact import ArtifactTaskInterface as A; print(A.__module__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return [*answer, done.stdout.strip() or done.stderr]
"""
MAIN = """
import json, sys
from dioptra_ray.local import run

if __name__ == "__main__":
    tasks = {"spawn": {"plugin": "spawner.tasks.spawn", "outputs": {"answer": "any"}}}
    result = run({"tasks": tasks, "graph": {"s": {"spawn": {}}}}, plugins_dir=sys.argv[1])
    print(json.dumps(result.steps["s"]["answer"]))
"""


def test_processes_that_a_plugin_starts_find_dioptra(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "spawner"
    folder.mkdir(parents=True)
    (folder / "tasks.py").write_text(PLUGIN)
    (tmp_path / "main.py").write_text(MAIN)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py"), str(tmp_path / "plugins")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["spawner.tasks", "own", "dioptra_ray.artifact"]


def test_a_spawned_process_finds_an_installed_dioptra_as_well(real_dioptra: Path) -> None:
    program = """
        import os, subprocess, sys
        from dioptra_ray import alias
        program = (
            "import dioptra.client, dioptra.pyplugs as p; "
            "print(dioptra.REAL, p.__name__, p.register.__module__)"
        )
        environment = {**os.environ, "PYTHONPATH": alias.search_path() + os.pathsep + sys.path[0]}
        subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    """
    assert python(program, real_dioptra) == "True dioptra.pyplugs dioptra_ray.pyplugs\n"
