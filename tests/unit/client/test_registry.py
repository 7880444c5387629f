"""Registering plugins, entrypoints and whole projects through the client."""

import pytest

from dioptra_ray.api.controller.v1 import (
    entrypoint_pb2,
    entrypoint_service_pb2,
    plugin_pb2,
    plugin_service_pb2,
    registry_service_pb2,
)
from dioptra_ray.client.project import read_project_files
from dioptra_ray.errors import ExhaustedError, InvalidRequestError, NotFoundError
from dioptra_ray.plugins.bundle import read_archive
from dioptra_ray.wire.values import write_value

CONFIG = """
[[plugins]]
path = "plugins/mine"

[[entrypoints]]
path = "train.yaml"
name = "train"

[[entrypoints]]
path = "../outside.yaml"
name = "outside"
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    plugin = root / "plugins" / "mine"
    (plugin / "__pycache__").mkdir(parents=True)
    (plugin / "__pycache__" / "tasks.pyc").touch()
    (plugin / ".hidden.py").touch()
    (plugin / "tasks.py").write_text("x = 1\n")
    (root / "plugins" / "other").mkdir()
    (root / "plugins" / "other" / "tasks.py").touch()
    (root / "train.yaml").write_text("graph: {}\n")
    (root / "dioptra.toml").write_text(CONFIG)
    (root / ".git").mkdir()
    (root / "data.bin").write_bytes(b"big")
    (tmp_path / "outside.yaml").touch()
    return root


def test_a_project_is_what_its_toml_refers_to(project) -> None:
    found = read_project_files(project)
    assert set(found.files) == {"dioptra.toml", "plugins/mine/tasks.py", "train.yaml"}
    assert read_project_files(project / "dioptra.toml") == found
    assert read_archive(found.pack()) == found.files


def test_a_broken_toml_is_sent_for_the_controller_to_judge(project) -> None:
    (project / "dioptra.toml").write_text("[[plugins\n")
    assert set(read_project_files(project).files) == {"dioptra.toml"}


def test_a_project_without_toml_is_refused(tmp_path) -> None:
    with pytest.raises(NotFoundError, match=r"dioptra\.toml"):
        read_project_files(tmp_path)


def test_too_large_a_project_is_refused_before_it_is_sent(project, monkeypatch) -> None:
    monkeypatch.setattr("dioptra_ray.client.project.MAX_ARCHIVE", 100)
    with pytest.raises(ExhaustedError, match="data"):
        read_project_files(project).pack()


def test_import_says_what_happened(controller, client, project) -> None:
    resource = registry_service_pb2.ImportedResource(
        kind="plugin", name="mine", snapshot=2, outcome=registry_service_pb2.IMPORT_OUTCOME_UPDATED
    )
    controller.on(
        "ImportResources",
        lambda _: registry_service_pb2.ImportResourcesResponse(resources=[resource]),
    )
    (imported,) = client.import_project(project, strategy="overwrite")
    assert (imported.kind, imported.name, imported.snapshot) == ("plugin", "mine", 2)
    assert imported.outcome == "updated"
    request = controller.requests[0]
    assert request.config_path == "dioptra.toml"
    assert request.strategy == registry_service_pb2.CONFLICT_STRATEGY_OVERWRITE


def test_an_unknown_strategy_is_refused(client, project) -> None:
    with pytest.raises(InvalidRequestError, match="overwrite"):
        client.import_project(project, strategy="merge")


def test_a_plugin_folder_is_packed(controller, client, project) -> None:
    stored = plugin_service_pb2.PutPluginResponse(
        plugin=plugin_pb2.Plugin(
            name="mine",
            snapshot=1,
            function_tasks=[
                plugin_pb2.FunctionTask(
                    id="mine.tasks.f",
                    name="f",
                    inputs=[plugin_pb2.TypedName(name="x", type="integer", required=True)],
                )
            ],
        )
    )
    controller.on("PutPlugin", lambda _: stored)
    plugin = client.plugins.put(project / "plugins" / "mine")
    request = controller.requests[0]
    assert request.name == "mine"
    assert read_archive(request.archive) == {"tasks.py": b"x = 1\n"}
    (task,) = plugin.function_tasks
    assert (task.id, task.inputs[0].name, task.inputs[0].required) == ("mine.tasks.f", "x", True)


def test_an_entrypoint_tells_defaults_from_none(controller, client) -> None:
    found = entrypoint_pb2.Entrypoint(
        name="train",
        parameters=[
            entrypoint_pb2.EntrypointParameter(name="a", type="integer"),
            entrypoint_pb2.EntrypointParameter(name="b", default_value=write_value(None)),
        ],
        description_json='{"graph": {}}',
    )
    controller.on(
        "GetEntrypoint", lambda _: entrypoint_service_pb2.GetEntrypointResponse(entrypoint=found)
    )
    entrypoint = client.entrypoints.get("train")
    assert [(one.name, one.required, one.default) for one in entrypoint.parameters] == [
        ("a", True, None),
        ("b", False, None),
    ]
    assert entrypoint.document == {"graph": {}}


@pytest.mark.parametrize("nested", [False, True])
def test_a_registration_with_a_mark_or_too_deep_is_left_to_the_controller(tmp_path, nested):
    text = "x = " + "[" * 5000 if nested else '[[entrypoints]]\npath = "e.yaml"\n'
    (tmp_path / "dioptra.toml").write_text(text, encoding="utf-8-sig")
    (tmp_path / "e.yaml").write_text("graph: {}")
    found = read_project_files(tmp_path)
    assert set(found.files) == {"dioptra.toml"} | (set() if nested else {"e.yaml"})
