"""`dioptra-ray run` on a deployment: what is registered, submitted, watched."""

import pytest

from dioptra_ray.api.controller.v1 import (
    artifact_service_pb2,
    entrypoint_pb2,
    entrypoint_service_pb2,
    job_pb2,
    job_service_pb2,
    plugin_pb2,
    plugin_service_pb2,
    registry_service_pb2,
)
from dioptra_ray.errors import NotFoundError
from dioptra_ray.plugins.bundle import read_archive

PLUGIN = """
from dioptra_ray import pyplugs


@pyplugs.register
def double(x: int) -> int:
    return 2 * x
"""
CONFIG = """
[[plugins]]
path = "plugins/maths"

[[entrypoints]]
path = "train.yaml"
name = "training"
plugins = ["maths"]
"""
TASKS = """
tasks:
  double: {plugin: maths.tasks.double, inputs: [x: integer], outputs: {value: integer}}
"""
GRAPH = "graph:\n  first: {double: 3}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "plugins" / "maths").mkdir(parents=True)
    (tmp_path / "plugins" / "maths" / "tasks.py").write_text(PLUGIN)
    (tmp_path / "train.yaml").write_text(GRAPH)
    (tmp_path / "alone.yaml").write_text(TASKS + GRAPH)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def finishing(controller):
    """Every job finishes; everything can be registered."""
    job = job_pb2.Job(id=5, state=job_pb2.JOB_STATE_FINISHED)
    event = job_service_pb2.WatchJobResponse(
        sequence=1, job_state_changed=job_service_pb2.JobStateChanged(job=job)
    )
    controller.on("CreateJob", lambda _: job_service_pb2.CreateJobResponse(job=job))
    controller.on("GetJob", lambda _: job_service_pb2.GetJobResponse(job=job))
    controller.on("WatchJob", lambda _, __: iter([event]))
    controller.on("WatchJobLogs", lambda _, __: iter([]))
    controller.on("ListJobMetrics", lambda _: job_service_pb2.ListJobMetricsResponse())
    controller.on("ListArtifacts", lambda _: artifact_service_pb2.ListArtifactsResponse())
    controller.on(
        "PutPlugin",
        lambda request: plugin_service_pb2.PutPluginResponse(
            plugin=plugin_pb2.Plugin(name=request.name)
        ),
    )
    controller.on(
        "PutEntrypoint",
        lambda request: entrypoint_service_pb2.PutEntrypointResponse(
            entrypoint=entrypoint_pb2.Entrypoint(name=request.name)
        ),
    )
    controller.on("ImportResources", lambda _: registry_service_pb2.ImportResourcesResponse())


def asked(controller, kind):
    return [request for request in controller.requests if isinstance(request, kind)]


def test_a_registered_entrypoint(remote, controller) -> None:
    assert remote("run", "training", "-P", "x=1", "--queue", "gpu").code == 0
    (request,) = asked(controller, job_service_pb2.CreateJobRequest)
    assert (request.entrypoint, request.queue) == ("training", "gpu")


@pytest.mark.parametrize("file", ["train.yaml", "alone.yaml"])
def test_a_file_with_a_folder_of_plugins(remote, controller, folder, file) -> None:
    assert remote("run", file, "--plugins", "plugins").code == 0
    (plugin,) = asked(controller, plugin_service_pb2.PutPluginRequest)
    assert (plugin.name, list(read_archive(plugin.archive))) == ("maths", ["tasks.py"])
    (entrypoint,) = asked(controller, entrypoint_service_pb2.PutEntrypointRequest)
    assert entrypoint.source == (folder / file).read_text()
    assert list(entrypoint.plugins) == ["maths"]
    (job,) = asked(controller, job_service_pb2.CreateJobRequest)
    assert job.entrypoint == entrypoint.name


def test_a_self_contained_file_names_registered_plugins(remote, controller, folder) -> None:
    assert remote("run", folder / "alone.yaml").code == 0
    assert not asked(controller, plugin_service_pb2.PutPluginRequest)
    (entrypoint,) = asked(controller, entrypoint_service_pb2.PutEntrypointRequest)
    assert list(entrypoint.plugins) == ["maths"]


def test_a_file_of_a_project_imports_the_project(remote, controller, folder) -> None:
    (folder / "dioptra.toml").write_text(CONFIG)
    assert remote("run", "train.yaml").code == 0
    (project,) = asked(controller, registry_service_pb2.ImportResourcesRequest)
    assert set(read_archive(project.archive)) == {
        "dioptra.toml", "train.yaml", "plugins/maths/tasks.py"
    }  # fmt: skip
    (job,) = asked(controller, job_service_pb2.CreateJobRequest)
    assert job.entrypoint == "training"


def test_what_is_wrong_is_not_even_registered(remote, controller, folder) -> None:
    (folder / "train.yaml").write_text("graph:\n  first: {triple: 3}\n")
    ran = remote("run", "train.yaml", "--plugins", "plugins")
    assert ran.code == 1
    assert "train.yaml:2:11" in ran.err
    assert controller.requests == []


def test_import_shows_what_happened(remote, controller, folder) -> None:
    (folder / "dioptra.toml").write_text(CONFIG)
    resource = registry_service_pb2.ImportedResource(
        kind="plugin", name="maths", snapshot=1, outcome=registry_service_pb2.IMPORT_OUTCOME_CREATED
    )
    controller.on(
        "ImportResources",
        lambda _: registry_service_pb2.ImportResourcesResponse(resources=[resource]),
    )
    assert remote("import").out.splitlines()[1].split() == ["plugin", "maths", "1", "created"]
    assert (
        remote("import", "dioptra.toml", "--format", "json").json["resources"][0]["snapshot"] == 1
    )


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing.yaml", "there is no file 'missing.yaml'"),
        ("./missing", "there is no file './missing'"),
        ("./plugins", "is a directory"),
        ("/dev/null", "is a device or a pipe"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_meant_to_be_a_file_but_is_none(remote, controller, what, said) -> None:
    ran = remote("run", what)
    assert ran.code == 2
    assert said in ran.err
    assert controller.requests == []


def test_a_graph_alone_is_told_where_its_plugins_may_be(remote, run, folder) -> None:
    (folder / "graph.yaml").write_text(GRAPH)
    for ran in (remote("run", "graph.yaml"), run("validate", "graph.yaml")):
        assert ran.code == 1
        assert "--plugins DIR" in ran.err


@pytest.mark.usefixtures("folder")
def test_a_plugin_that_nobody_has_imported_may_be_in_a_folder(remote, run, controller) -> None:
    def missing(_):
        raise NotFoundError("there is no plugin 'maths'")

    controller.on("PutEntrypoint", missing)
    assert "--plugins DIR" in remote("run", "alone.yaml").err
    assert "--plugins DIR" in run("run", "--local", "alone.yaml").err
