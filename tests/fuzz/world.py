"""What the fuzzed controller holds, and a right call of each method that needs more than that."""

from collections.abc import Mapping
from typing import Any

from dioptra_controller import __version__
from tests.fuzz import messages
from tests.fuzz.messages import ENTRYPOINT, EXPERIMENT, GROUP, QUEUE, TYPE

Fields = Mapping[str, Any]

TASKS = b"""\
from dioptra import pyplugs
from dioptra.sdk.api.artifact import ArtifactTaskInterface

@pyplugs.register
def scale(x: float, factor: float = 2.0) -> float:
    return x * factor

class Text(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir, name, contents, **kwargs):
        return working_dir / name

    @staticmethod
    def deserialize(working_dir, path, **kwargs) -> str:
        return ""

    @staticmethod
    def validation():
        return {}
"""
PLUGIN = messages.archive({"tasks.py": TASKS})
PROJECT = messages.archive({"dioptra.toml": messages.CONFIG})
DESCRIPTION: Fields = {
    "name": ENTRYPOINT,
    "source": messages.SCALE.decode(),
    "plugins": [messages.PLUGIN],
}
RUN: Fields = {"entrypoint": ENTRYPOINT, "experiment": EXPERIMENT, "queue": QUEUE}
VALUES = [{"number_value": 0.5}, {"integer_value": 3}, {"text": "1.5"}]
GRID: Fields = {"dimensions": [{"parameter": "x", "values": VALUES}]}
WORLD: tuple[tuple[str, Fields], ...] = (
    ("CreateGroup", {"name": GROUP}),
    ("PutParameterType", {"name": TYPE, "structure_json": '{"list": "integer"}'}),
    ("PutPlugin", {"name": messages.PLUGIN, "archive": PLUGIN}),
    ("PutEntrypoint", DESCRIPTION),
    ("PutEntrypointDraft", DESCRIPTION),
    ("CreateExperiment", {"name": EXPERIMENT}),
    ("CreateQueue", {"name": QUEUE}),
    ("CreateJob", RUN),
    ("CreateSweep", {**RUN, "grid": GRID}),
)
THING: Fields = {"kind": "RESOURCE_KIND_PLUGIN", "name": messages.PLUGIN}
TIME: Fields = {"seconds": 1_700_000_000}
HEADER: Fields = {"name": "text", "task": "maths.tasks.Text", "basename": "text.txt"}
ENVIRONMENT: Fields = {
    "defaults": {"num_cpus": 1.0, "labels": {"a": "b"}, "resources": {"c": 1.0}},
    "runtime_env_json": '{"env_vars": {"A": "1"}}',
}
EVENTS: tuple[Fields, ...] = (
    {"steps_changed": {"changes": [{"step": "scaled", "phase": 1, "time": TIME}]}},
    {"logs_appended": {"lines": [{"time": TIME, "level": "INFO", "message": "hello"}]}},
    {"metrics_logged": {"values": [{"name": "a", "step": 1, "value": 0.5, "time": TIME}]}},
    {"stage_waiting": {"stage": "scaled", "reason": "busy"}},
    {"attempt_ended": {"outcome": 1}},
)
RIGHT: Mapping[str, tuple[Fields, ...]] = {
    **{name: (fields,) for name, fields in WORLD},
    "CreateToken": (
        {"name": "made", "memberships": [{"group": GROUP, "role": 1}], "lifetime_seconds": 60},
    ),
    "PutPluginFile": ({"name": messages.PLUGIN, "path": "new.py", "content": TASKS},),
    "GetPluginFile": ({"name": messages.PLUGIN, "path": "tasks.py"},),
    "DeletePluginFile": ({"name": messages.PLUGIN, "path": "new.py"},),
    "ImportResources": ({"archive": PROJECT, "config_path": "dioptra.toml"},),
    "UpdateQueue": (
        {
            "name": QUEUE,
            "queue": {"description": "other", "environment": ENVIRONMENT},
            "update_mask": {"paths": ["description", "environment"]},
        },
    ),
    "SyncEntrypoint": ({"name": ENTRYPOINT},),
    "PublishEntrypointDraft": ({"name": ENTRYPOINT},),
    "UpdateResource": ({"resource": THING, "description": "other"},),
    "DeleteResource": ({"resource": THING},),
    "ListSnapshots": ({"resource": THING},),
    "DiffSnapshots": ({"resource": THING, "old_snapshot": 1, "new_snapshot": 1},),
    "UpdateTags": ({"resource": THING, "add": ["made"], "remove": ["made too"]},),
    "UploadArtifact": ({"header": HEADER}, {"path": "text.txt"}, {"content": b"text"}),
    # The first artifact is what a right upload made.
    "GetArtifact": ({"id": 1},),
    "DownloadArtifact": ({"id": 1, "path": "text.txt"},),
    "GetArtifactLineage": ({"id": 1},),
    "CreateArtifactLinks": ({"id": 1, "paths": ["text.txt"]},),
}


def right_requests(method: str, store_url: str) -> tuple[Fields, ...]:
    """The requests of a call that works; none when an empty request will do."""
    if method != "Connect":
        return RIGHT.get(method, ())
    hello = {"runner_id": "r1", "version": __version__, "store_url": store_url, "slots": 4}
    reports = [
        {"sequence": number, "job_id": 1, "attempt": 1, **event}
        for number, event in enumerate(EVENTS, start=1)
    ]
    first = {"hello": {**hello, "name": "r", "queues": ["*"]}}
    return (first, {"heartbeat": {"resources": {"CPU": 1.0}}}, {"reports": {"reports": reports}})
