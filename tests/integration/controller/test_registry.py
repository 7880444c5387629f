import asyncio
import io
import json
import tarfile
from pathlib import Path

import pytest

from dioptra_controller.registry.entrypoints import load_snapshot
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2 as entrypoint
from dioptra_ray.api.controller.v1 import entrypoint_service_pb2_grpc as entrypoint_grpc
from dioptra_ray.api.controller.v1 import parameter_type_service_pb2 as parameter_type
from dioptra_ray.api.controller.v1 import parameter_type_service_pb2_grpc as parameter_type_grpc
from dioptra_ray.api.controller.v1 import plugin_service_pb2 as plugin
from dioptra_ray.api.controller.v1 import plugin_service_pb2_grpc as plugin_grpc
from dioptra_ray.api.controller.v1 import registry_service_pb2 as registry
from dioptra_ray.api.controller.v1 import registry_service_pb2_grpc as registry_grpc
from dioptra_ray.errors import (
    AlreadyExistsError,
    ExhaustedError,
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
)
from dioptra_ray.plugins.bundle import digest_of, read_archive

TASKS = """\
raise RuntimeError("the controller must never run this")
from dioptra import pyplugs

@pyplugs.register(num_gpus=0.5)
def scale(x: float, factor: float = 2.0) -> float:
    return x * factor
"""
WRITER = """\
from dioptra.sdk.api.artifact import ArtifactTaskInterface

class TextTask(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir, name, contents, **kwargs): ...

    @staticmethod
    def deserialize(working_dir, path, **kwargs) -> str: ...

    @staticmethod
    def validation():
        return {"type": {"type": "string"}}
"""
TOML = """\
[[plugins]]
path = "plugins/maths"
description = "Numbers"

[[plugin_param_types]]
name = "Pairs"
structure = {list = {tuple = ["string", "number"]}}

[[entrypoints]]
name = "scale it"
path = "scale.yaml"
description = "Scales"
params = [
  {name = "x", type = "float", default_value = "1.5"},
  {name = "sizes", type = "list", default_value = "[1, 2]"},
]
plugins = ["maths"]
artifact_plugins = ["maths"]
"""
YAML = """\
graph:
  first:
    scale: {x: $x}
  second:
    scale: [$first, 3.0]
artifacts:
  result:
    contents: $second
    task: {name: TextTask, args: {type: txt}}
"""
PROJECT = {
    "dioptra.toml": TOML,
    "scale.yaml": YAML,
    "plugins/maths/tasks.py": TASKS,
    "plugins/maths/writers.py": WRITER,
}
CREATED = registry.IMPORT_OUTCOME_CREATED
UPDATED = registry.IMPORT_OUTCOME_UPDATED
UNCHANGED = registry.IMPORT_OUTCOME_UNCHANGED


@pytest.fixture
def plugins(channel):
    return plugin_grpc.PluginServiceStub(channel)


@pytest.fixture
def entrypoints(channel):
    return entrypoint_grpc.EntrypointServiceStub(channel)


@pytest.fixture
def types(channel):
    return parameter_type_grpc.ParameterTypeServiceStub(channel)


@pytest.fixture
def import_project(channel, archive):
    stub = registry_grpc.RegistryServiceStub(channel)

    def start(project=None, strategy=registry.CONFLICT_STRATEGY_UNSPECIFIED, **fields):
        packed = archive(PROJECT if project is None else project)
        return stub.ImportResources(
            registry.ImportResourcesRequest(archive=packed, strategy=strategy, **fields)
        )

    return start


def summary(response):
    return [(one.kind, one.name, one.snapshot, one.outcome) for one in response.resources]


async def test_an_import_creates_everything_and_again_changes_nothing(import_project):
    expected = [("plugin", "maths"), ("parameter_type", "Pairs"), ("entrypoint", "scale it")]
    first = await import_project()
    assert summary(first) == [(*one, 1, CREATED) for one in expected]
    for strategy in (registry.CONFLICT_STRATEGY_UPDATE, registry.CONFLICT_STRATEGY_OVERWRITE):
        again = await import_project(strategy=strategy)
        assert summary(again) == [(*one, 1, UNCHANGED) for one in expected]


async def test_what_was_imported_can_be_read(import_project, plugins, entrypoints, types):
    await import_project()
    shown = (await plugins.GetPlugin(plugin.GetPluginRequest(name="maths"))).plugin
    assert (shown.description, shown.snapshot) == ("Numbers", 1)
    assert [(file.path, file.size) for file in shown.files] == [
        ("tasks.py", len(TASKS)),
        ("writers.py", len(WRITER)),
    ]
    (function,) = shown.function_tasks
    assert (function.id, function.file, function.line) == ("maths.tasks.scale", "tasks.py", 5)
    assert [(given.name, given.type, given.required) for given in function.inputs] == [
        ("x", "number", True),
        ("factor", "number", False),
    ]
    assert [task.id for task in shown.artifact_tasks] == ["maths.writers.TextTask"]

    found = (
        await entrypoints.GetEntrypoint(entrypoint.GetEntrypointRequest(name="scale it"))
    ).entrypoint
    assert (found.description, found.source, found.source_file) == ("Scales", YAML, "scale.yaml")
    assert list(found.steps) == ["first", "second"]
    assert list(found.artifact_outputs) == ["result"]
    assert [(one.name, one.type) for one in found.parameters] == [("x", "number"), ("sizes", "")]
    assert found.parameters[0].default_value.number_value == 1.5
    assert [(pin.name, pin.snapshot, pin.digest) for pin in found.plugins] == [
        ("maths", 1, shown.digest)
    ]
    assert list(json.loads(found.description_json)["graph"]) == ["first", "second"]

    listed = await types.ListParameterTypes(parameter_type.ListParameterTypesRequest())
    names = [one.name for one in listed.parameter_types]
    assert names == ["Pairs", "any", "boolean", "integer", "null", "number", "string"]
    assert json.loads(listed.parameter_types[0].structure_json) == {
        "list": {"tuple": ["string", "number"]}
    }


async def test_the_bundle_is_in_the_store_under_its_digest(import_project, plugins, tmp_path):
    await import_project()
    shown = (await plugins.GetPlugin(plugin.GetPluginRequest(name="maths"))).plugin
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    bundles = {digest_of(path.read_bytes()): path for path in files}
    packed = read_archive(bundles[shown.digest].read_bytes())
    assert packed == {"tasks.py": TASKS.encode(), "writers.py": WRITER.encode()}


async def test_a_snapshot_for_jobs_has_kinds_declarations_and_artifact_tasks(
    import_project, controller
):
    await import_project()
    snapshot = await controller.database.read(load_snapshot, "scale it")
    assert snapshot.parameter_kinds == {"x": "float", "sizes": "list"}
    assert snapshot.artifact_tasks == {"TextTask": "maths.writers.TextTask"}
    assert snapshot.argument_schemas == {"TextTask": {"type": {"type": "string"}}}
    assert snapshot.declarations["scale"].num_gpus == 0.5
    assert snapshot.description["parameters"]["sizes"] in ([1, 2], {"default": [1, 2]})


async def test_a_changed_plugin_makes_new_snapshots_and_old_ones_stay(
    import_project, plugins, entrypoints
):
    await import_project()
    changed = PROJECT | {"plugins/maths/tasks.py": TASKS.replace("2.0", "4.0")}
    outcome = await import_project(changed)
    assert summary(outcome) == [
        ("plugin", "maths", 2, UPDATED),
        ("parameter_type", "Pairs", 1, UNCHANGED),
        ("entrypoint", "scale it", 2, UPDATED),
    ]
    pins = [
        (
            await entrypoints.GetEntrypoint(
                entrypoint.GetEntrypointRequest(name="scale it", snapshot=n)
            )
        )
        .entrypoint.plugins[0]
        .snapshot
        for n in (1, 2, 0)
    ]
    assert pins == [1, 2, 2]
    digests = {
        (await plugins.GetPlugin(plugin.GetPluginRequest(name="maths", snapshot=n))).plugin.digest
        for n in (1, 2)
    }
    assert len(digests) == 2


async def test_update_keeps_files_that_the_import_lacks_and_overwrite_does_not(
    import_project, plugins
):
    await import_project()
    without = {
        "dioptra.toml": '[[plugins]]\npath = "plugins/maths"\ndescription = "Numbers"\n',
        "plugins/maths/writers.py": WRITER + "# changed\n",
    }

    async def files():
        shown = (await plugins.GetPlugin(plugin.GetPluginRequest(name="maths"))).plugin
        return [file.path for file in shown.files], [task.name for task in shown.function_tasks]

    await import_project(without, registry.CONFLICT_STRATEGY_UPDATE)
    assert await files() == (["tasks.py", "writers.py"], ["scale"])
    await import_project(without, registry.CONFLICT_STRATEGY_OVERWRITE)
    assert await files() == (["writers.py"], [])


async def test_fail_refuses_the_whole_import(import_project, plugins, refusal):
    await import_project()
    other = PROJECT | {
        "dioptra.toml": TOML + '\n[[plugins]]\npath = "plugins/other"\n',
        "plugins/other/tasks.py": TASKS,
    }
    error = await refusal(import_project(other, registry.CONFLICT_STRATEGY_FAIL))
    assert isinstance(error, AlreadyExistsError)
    assert "'maths'" in error.message
    assert "'scale it'" in error.message
    missing = await refusal(plugins.GetPlugin(plugin.GetPluginRequest(name="other")))
    assert isinstance(missing, NotFoundError)


async def test_a_repeated_import_gives_the_first_outcome(import_project, refusal):
    fields = {"request_id": "i1", "strategy": registry.CONFLICT_STRATEGY_FAIL}
    first = await import_project(**fields)
    assert await import_project(**fields) == first
    changed = import_project(PROJECT | {"README": "other"}, **fields)
    assert type(await refusal(changed)) is InvalidRequestError


async def test_everything_wrong_is_said_at_once_and_nothing_is_stored(
    import_project, plugins, refusal
):
    broken = PROJECT | {
        "scale.yaml": YAML.replace("$first, 3.0", "$frist, 3.0").replace("x: $x", "y: $x"),
    }
    error = await refusal(import_project(broken))
    assert isinstance(error, InvalidDescriptionError)
    errors = [issue for issue in error.issues if issue.severity == "error"]
    assert {issue.file for issue in errors} == {"scale.yaml"}
    assert {issue.line for issue in errors} >= {3, 5}
    assert not (await plugins.ListPlugins(plugin.ListPluginsRequest())).plugins


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", InvalidRequestError),
        (b"no archive", InvalidRequestError),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 40, InvalidRequestError),
        (b"x" * ((64 << 20) + 1), ExhaustedError),
    ],
    ids=["empty", "text", "damaged", "large"],
)
async def test_bad_archives_are_refused(channel, plugins, refusal, content, kind):
    call = registry_grpc.RegistryServiceStub(channel).ImportResources(
        registry.ImportResourcesRequest(archive=content)
    )
    assert type(await refusal(call)) is kind
    call = plugins.PutPlugin(plugin.PutPluginRequest(name="p", archive=content))
    assert type(await refusal(call)) is kind


@pytest.mark.parametrize("path", ["../evil.py", "/etc/evil.py", "a/../../evil.py"])
async def test_archives_cannot_leave_their_folder(plugins, refusal, archive, path):
    call = plugins.PutPlugin(plugin.PutPluginRequest(name="p", archive=archive({path: "x = 1"})))
    assert type(await refusal(call)) is InvalidRequestError


async def test_links_in_archives_are_refused(plugins, refusal):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("link.py")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    call = plugins.PutPlugin(plugin.PutPluginRequest(name="p", archive=buffer.getvalue()))
    assert type(await refusal(call)) is InvalidRequestError


async def test_put_plugin_makes_a_snapshot_only_for_new_content(plugins, archive):
    async def put(source):
        return await plugins.PutPlugin(
            plugin.PutPluginRequest(name="maths", archive=archive({"tasks.py": source}))
        )

    first, again, other = await put(TASKS), await put(TASKS), await put(TASKS + "\n")
    assert [(one.plugin.snapshot, one.changed) for one in (first, again, other)] == [
        (1, True),
        (1, False),
        (2, True),
    ]


async def test_many_at_once_give_dense_snapshots(plugins, archive):
    answers = await asyncio.gather(
        *(
            plugins.PutPlugin(
                plugin.PutPluginRequest(name="p", archive=archive({"t.py": f"x = {number}"}))
            )
            for number in range(12)
        )
    )
    assert sorted(answer.plugin.snapshot for answer in answers) == list(range(1, 13))


@pytest.mark.parametrize("name", ["", "_", "a b", "a-b", "1a", "class", "a.b", "a/b"])
async def test_plugin_names_must_be_importable(plugins, refusal, archive, name):
    call = plugins.PutPlugin(plugin.PutPluginRequest(name=name, archive=archive({"t.py": ""})))
    assert type(await refusal(call)) is InvalidRequestError


async def test_source_that_is_no_python_is_placed(plugins, refusal, archive):
    call = plugins.PutPlugin(
        plugin.PutPluginRequest(name="p", archive=archive({"t.py": "x = 1\ndef f(:\n"}))
    )
    error = await refusal(call)
    assert isinstance(error, InvalidDescriptionError)
    assert [(issue.line, Path(issue.file or "").name) for issue in error.issues] == [(2, "t.py")]


SELF_CONTAINED = """\
parameters: {x: 1.0, n: {type: integer}}
tasks:
  scale: {plugin: maths.tasks.scale, inputs: [{x: number}], outputs: {y: number}}
graph:
  only: {scale: [$x]}
artifact_outputs:
  text: {contents: $only, task: {name: TextTask}}
"""


async def put_maths(plugins, archive):
    files = {"tasks.py": TASKS, "writers.py": WRITER}
    await plugins.PutPlugin(plugin.PutPluginRequest(name="maths", archive=archive(files)))


async def test_put_entrypoint_stores_a_self_contained_description(
    plugins, entrypoints, archive, controller
):
    await put_maths(plugins, archive)
    request = entrypoint.PutEntrypointRequest(
        name="one", source=SELF_CONTAINED, source_file="one.yaml", plugins=["maths", "maths"]
    )
    first, again = [await entrypoints.PutEntrypoint(request) for _ in range(2)]
    assert (first.changed, again.changed, again.entrypoint.snapshot) == (True, False, 1)
    assert [one.HasField("default_value") for one in first.entrypoint.parameters] == [True, False]
    snapshot = await controller.database.read(load_snapshot, "one")
    assert snapshot.artifact_tasks == {"TextTask": "maths.writers.TextTask"}
    assert snapshot.declarations["scale"].num_gpus == 0.5
    assert snapshot.parameter_kinds == {"x": "float", "n": "integer"}


async def test_put_entrypoint_lists_problems_with_places(plugins, entrypoints, archive, refusal):
    await put_maths(plugins, archive)
    broken = SELF_CONTAINED.replace("[$x]", "[$nope]").replace("$only", "$other")
    request = entrypoint.PutEntrypointRequest(
        name="one", source=broken, source_file="one.yaml", plugins=["maths"]
    )
    error = await refusal(entrypoints.PutEntrypoint(request))
    assert isinstance(error, InvalidDescriptionError)
    assert {issue.line for issue in error.issues} == {5, 7}
    assert all(issue.file == "one.yaml" and issue.column for issue in error.issues)


async def test_put_entrypoint_needs_its_plugins(plugins, entrypoints, archive, refusal):
    await put_maths(plugins, archive)
    request = entrypoint.PutEntrypointRequest(name="one", source=SELF_CONTAINED, plugins=["math"])
    error = await refusal(entrypoints.PutEntrypoint(request))
    assert isinstance(error, NotFoundError)
    assert "did you mean 'maths'" in error.message


async def test_values_that_json_does_not_know_are_refused(plugins, entrypoints, archive, refusal):
    await put_maths(plugins, archive)
    source = SELF_CONTAINED.replace("number}]", "any}]").replace("[$x]", "[2024-01-01]")
    request = entrypoint.PutEntrypointRequest(name="one", source=source, plugins=["maths"])
    error = await refusal(entrypoints.PutEntrypoint(request))
    assert isinstance(error, InvalidDescriptionError)
    assert "value.not_json" in {issue.code for issue in error.issues}


async def test_missing_snapshots_say_which_is_the_newest(plugins, archive, refusal):
    await put_maths(plugins, archive)
    error = await refusal(plugins.GetPlugin(plugin.GetPluginRequest(name="maths", snapshot=7)))
    assert isinstance(error, NotFoundError)
    assert "the newest is 1" in error.message


async def test_lists_show_the_newest_snapshots_in_pages(plugins, archive):
    for name, source in (("beta", "1"), ("alpha", "1"), ("gamma", "1"), ("alpha", "2")):
        await plugins.PutPlugin(
            plugin.PutPluginRequest(name=name, archive=archive({"t.py": source}))
        )
    seen, token = [], ""
    while True:
        page = await plugins.ListPlugins(plugin.ListPluginsRequest(page_size=2, page_token=token))
        seen += [(one.name, one.snapshot) for one in page.plugins]
        token = page.next_page_token
        if not token:
            break
    assert seen == [("alpha", 2), ("beta", 1), ("gamma", 1)]


async def test_types_page_through_built_in_and_own_ones(import_project, types):
    await import_project()
    seen, token = [], ""
    while True:
        page = await types.ListParameterTypes(
            parameter_type.ListParameterTypesRequest(page_size=2, page_token=token, search="n")
        )
        seen += [one.name for one in page.parameter_types]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["any", "boolean", "integer", "null", "number", "string"]
