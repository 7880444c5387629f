"""One stage in this process, without Ray."""

import json
import os
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
import structlog

from dioptra_ray.errors import UnavailableError
from dioptra_ray.planning.plan import PluginBundle, Stage, StageInput
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.store import bundle_key, open_store
from dioptra_workers.stage import patience
from dioptra_workers.stage import run as run_module
from dioptra_workers.stage.request import ArtifactInput, JobContext, Places, StageRequest
from dioptra_workers.stage.run import run_stage

SOURCE = """
    import json, os
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra.sdk.api.artifact import ArtifactTaskInterface
    from dioptra_ray import current_job

    @pyplugs.register
    def look(*values):
        job = current_job()
        Path("seen.json").write_text(json.dumps({
            "files": sorted(os.listdir(".")), "id": os.environ["__JOB_ID"], "job": job.id,
            "parameters": json.loads(Path("parameters.json").read_text()),
            "entry": Path("entry.yml").read_text(), "values": values,
        }))
        return 1

    @pyplugs.register
    def seed():
        current_job().log_metric("seeded", 1)
        print("seeding")
        return "replayed"

    class FileTask(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            return working_dir / contents

        @staticmethod
        def deserialize(working_dir, path, **kwargs):
            return (Path(working_dir) / path).read_text()

        @staticmethod
        def validation():
            return None
"""
DESCRIPTION = {
    "tasks": {
        "look": {
            "plugin": "p.tasks.look",
            "inputs": [{"value": "any"}],
            "outputs": {"done": "integer"},
        },
        "seed": {"plugin": "p.tasks.seed", "outputs": {"state": "string"}},
    },
    "graph": {
        "seeded": {"seed": {}},
        "seen": {"look": "$seeded"},
        "given": {"look": "$text"},
    },
    "artifact_inputs": {"text": {"text": "string"}},
    "artifact_outputs": {"file": {"contents": "seen.json", "task": {"name": "FileTask"}}},
}


@pytest.fixture(autouse=True)
def _defaults():
    yield
    structlog.reset_defaults()


@pytest.fixture
def store(tmp_path):
    store = open_store(f"file://{tmp_path}/store")
    store.check()
    return store


@pytest.fixture
def request_of(tmp_path, store):
    packed = pack({"tasks.py": dedent(SOURCE).encode()})
    store.put_blob(bundle_key(packed.digest), packed.content)

    def make(stage, *, inputs=(), **fields):
        job = JobContext(
            job_id=7, attempt=1, parameters_json=b'{"a": 1}', entrypoint="entry",
            artifact_inputs=inputs,
        )  # fmt: skip
        return StageRequest(
            job=job,
            places=Places(store_url=store.url, scratch_dir=str(tmp_path / "scratch")),
            plan_digest="sha256:x",
            description=DESCRIPTION,
            plugins=(PluginBundle(name="p", digest=packed.digest),),
            artifact_tasks=(("FileTask", "p.tasks.FileTask"),),
            stage=stage,
            **fields,
        )

    return make


def read(store, key):
    return json.loads(b"".join(store.open_file(key, "")))


def test_a_step_finds_what_dioptra_puts_into_its_directory(request_of, store, tmp_path):
    before = Path.cwd()
    stage = Stage(name="s0", steps=("seeded", "seen"), artifacts=("file",))
    (report,) = run_stage(request_of(stage))
    assert report.outcome == "finished", report
    seen = read(store, report.artifacts[0].key)
    assert seen["files"] == [
        ".dioptra",
        "artifact_parameters.json",
        "entry.yml",
        "parameters.json",
    ]
    assert (seen["id"], seen["job"], seen["parameters"]) == ("7", 7, {"a": 1})
    assert "p.tasks.look" in seen["entry"]
    assert seen["values"] == ["replayed"]
    assert Path.cwd() == before
    assert "__JOB_ID" not in os.environ
    assert list((tmp_path / "scratch" / "stages").iterdir()) == []


def test_a_stage_behind_a_failed_one_is_skipped(request_of):
    stage = Stage(name="s1", steps=("seen",), after=("s0",), exports=("seen",))
    request = request_of(stage, followed=True, shares_files=True)
    report, gate, export, delta = run_stage(request, False)
    assert (report.outcome, gate, export, delta) == ("skipped", False, None, None)
    assert report.events == ()


def test_a_replayed_step_is_silent_and_its_recorded_value_stays(request_of, store):
    first = Stage(name="s0", steps=("seeded",), exports=("seeded",))
    _, gate, payload = run_stage(request_of(first, followed=True))
    assert gate is True
    second = Stage(
        name="s1", steps=("seen",), setup=("seeded",), after=("s0",),
        inputs=(StageInput(stage="s0", step="seeded"),), artifacts=("file",),
    )  # fmt: skip
    (report,) = run_stage(request_of(second), gate, payload)
    assert report.outcome == "finished", report
    assert {event.step for event in report.events if hasattr(event, "phase")} == {"seen"}
    assert not any(hasattr(event, "graph_step") for event in report.events)
    assert [e.message for e in report.events if getattr(e, "logger", "") == "stdout"] == ["seeding"]
    assert read(store, report.artifacts[0].key)["values"] == ["replayed"]


def test_artifacts_are_read_only_by_stages_that_need_them(request_of, store, tmp_path):
    (tmp_path / "text.txt").write_text("stored")
    manifest = store.put_artifact("artifacts/1/1/text", tmp_path / "text.txt")
    bundle = request_of(Stage(name="x", steps=())).plugins[0]
    given = ArtifactInput(
        name="text", artifact_id=3, key="artifacts/1/1/text", manifest_json=manifest.to_json(),
        task="p.tasks.FileTask", plugin_digest=bundle.digest, outputs=("text",),
    )  # fmt: skip
    stage = Stage(name="s0", steps=("given",), artifacts=("file",))
    (report,) = run_stage(request_of(stage, inputs=(given,)))
    assert report.outcome == "finished", report
    assert read(store, report.artifacts[0].key)["values"] == ["stored"]

    store.delete_artifact("artifacts/1/1/text")
    (report,) = run_stage(request_of(stage, inputs=(given,)))
    assert (report.outcome, report.failure.reason) == ("failed", "ARTIFACT_FAILED")
    assert "text" in report.failure.message
    unneeded = Stage(name="s0", steps=("seeded",))
    (report,) = run_stage(request_of(unneeded, inputs=(given,)))
    assert report.outcome == "finished", report


def test_references_to_artifacts_use_the_names_that_the_entrypoint_declares(
    request_of, store, tmp_path
):
    (tmp_path / "text.txt").write_text("stored")
    manifest = store.put_artifact("artifacts/1/1/text", tmp_path / "text.txt")
    bundle = request_of(Stage(name="x", steps=())).plugins[0]
    given = ArtifactInput(
        name="text", artifact_id=3, key="artifacts/1/1/text", manifest_json=manifest.to_json(),
        task="p.tasks.FileTask", plugin_digest=bundle.digest, outputs=("of_the_task",),
    )  # fmt: skip
    request = request_of(Stage(name="s0", steps=("given",), artifacts=("file",)), inputs=(given,))
    named = {**DESCRIPTION["graph"], "given": {"look": "$text.mine"}}
    for declared in ({"mine": "string"}, [{"mine": "string"}]):
        description = {**DESCRIPTION, "graph": named, "artifact_inputs": {"text": declared}}
        digest = f"sha256:{declared}"
        (report,) = run_stage(replace(request, description=description, plan_digest=digest))
        assert report.outcome == "finished", report
        assert read(store, report.artifacts[0].key)["values"] == ["stored"]


class FlakyStore:
    """A store that does not answer a number of times."""

    def __init__(self, store, failures):
        self._store, self.failures = store, failures

    def __getattr__(self, name):
        return getattr(self._store, name)

    def put_artifact(self, key, source):
        if self.failures:
            self.failures -= 1
            raise UnavailableError("nobody answers")
        return self._store.put_artifact(key, source)


@pytest.mark.parametrize(("failures", "outcome"), [(2, "finished"), (3, "failed")])
def test_the_store_gets_time_to_come_back(request_of, store, monkeypatch, failures, outcome):
    monkeypatch.setattr(patience, "STORE_PAUSES", (0, 0))
    flaky = FlakyStore(store, failures)
    monkeypatch.setattr(run_module, "store_of", lambda _: flaky)
    stage = Stage(name="s0", steps=("seeded", "seen"), artifacts=("file",))
    (report,) = run_stage(request_of(stage))
    assert report.outcome == outcome
    if outcome == "failed":
        assert (report.failure.reason, report.failure.retryable) == ("STORE_UNAVAILABLE", True)
        assert list(store.list_artifacts()) == []


def test_a_bundle_that_is_not_what_its_digest_says_is_refused(request_of, store):
    request = request_of(Stage(name="s0", steps=("seeded",)))
    packed = pack({"tasks.py": b"raise SystemExit"})
    store.put_blob(bundle_key(request.plugins[0].digest), packed.content)
    (report,) = run_stage(request)
    assert report.failure.reason == "INTERNAL"
    assert "does not match its digest" in report.failure.message


def test_a_stage_times_out_by_itself(request_of, store):
    packed = pack(
        {
            "tasks.py": dedent("""
        import time
        from dioptra import pyplugs
        @pyplugs.register
        def seed():
            time.sleep(600)
    """).encode()
        }
    )
    store.put_blob(bundle_key(packed.digest), packed.content)
    request = request_of(Stage(name="s0", steps=("seeded",), timeout=0.5))
    request = replace(request, plugins=(PluginBundle(name="p", digest=packed.digest),))
    (report,) = run_stage(request)
    assert (report.outcome, report.failure.reason, report.failure.step) == (
        "failed", "TIMEOUT", "seeded",
    )  # fmt: skip


def test_a_step_that_ended_too_late_has_failed_even_if_nobody_stopped_it(request_of, store):
    packed = pack(
        {
            "tasks.py": dedent("""
        import time
        from dioptra import pyplugs
        @pyplugs.register
        def seed():
            until = time.monotonic() + 0.02
            while time.monotonic() < until:
                pass
            return 1
    """).encode()
        }
    )
    store.put_blob(bundle_key(packed.digest), packed.content)
    stage = Stage(name="s0", steps=("seeded",), step_timeouts=(("seeded", 0.01),))
    request = replace(request_of(stage), plugins=(PluginBundle(name="p", digest=packed.digest),))
    (report,) = run_stage(request)
    assert (report.failure.reason, report.failure.step) == ("TIMEOUT", "seeded")
    patient = replace(request, stage=replace(stage, step_timeouts=(("seeded", 60.0),)))
    assert run_stage(patient)[0].outcome == "finished"


def test_a_running_stage_pushes_and_is_told_to_stop(request_of, store):
    packed = pack(
        {
            "tasks.py": dedent("""
        import time
        from dioptra import pyplugs
        @pyplugs.register
        def seed():
            print("begun")
            time.sleep(600)
    """).encode()
        }
    )
    store.put_blob(bundle_key(packed.digest), packed.content)
    request = request_of(Stage(name="s0", steps=("seeded",)))
    request = replace(request, plugins=(PluginBundle(name="p", digest=packed.digest),))
    pushed = []

    def push(first, events):
        pushed.append((first, [getattr(event, "message", "") for event in events]))
        return "cancelled"

    (report,) = run_stage(request, push=push)
    assert pushed[0] == (0, ["", "Running step: seeded", "begun"])
    assert (report.outcome, report.failure, report.first_event) == ("cancelled", None, 3)
    assert [event.phase for event in report.events] == ["cancelled"]


def with_source(request_of, store, source, stage, **fields):
    """A request for a stage of a plugin with this source."""
    packed = pack({"tasks.py": dedent(source).encode()})
    store.put_blob(bundle_key(packed.digest), packed.content)
    plugins = (PluginBundle(name="p", digest=packed.digest),)
    return replace(request_of(stage, **fields), plugins=plugins)


WRITER = """
    import os
    from pathlib import Path
    from dioptra import pyplugs
    from dioptra.sdk.api.artifact import ArtifactTaskInterface

    @pyplugs.register
    def look(*values):
        return 1

    @pyplugs.register
    def seed():
        Path("made").mkdir()
        Path("made/file").write_text("x")
        os.symlink("made", "inside")
        os.symlink("/etc", "outside")
        os.mkfifo("fifo")
        return 1

    class FileTask(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            print("writing", contents)
            return working_dir / contents
"""


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ("made", None),
        ("made/file", None),
        ("inside", None),
        (".", "the working directory itself"),
        ("made/..", "the working directory itself"),
        ("../..", "outside of the working directory"),
        ("outside", "outside of the working directory"),
        ("/etc/hosts", "outside of the working directory"),
        ("fifo", "fifo"),
    ],
)
def test_only_files_and_folders_of_the_working_directory_are_artifacts(
    request_of, store, contents, says
):
    stage = Stage(name="s0", steps=("seeded",), artifacts=("file",))
    request = with_source(request_of, store, WRITER, stage)
    outputs = {"file": {"contents": contents, "task": {"name": "FileTask"}}}
    description = {**DESCRIPTION, "artifact_outputs": outputs}
    (report,) = run_stage(
        replace(request, description=description, plan_digest=f"sha256:{contents}")
    )
    said = [(e.step, e.message) for e in report.events if getattr(e, "logger", "") == "stdout"]
    assert said == [("artifacts.file", f"writing {contents}")]
    if says is None:
        assert report.outcome == "finished", report
    else:
        assert (report.failure.reason, report.failure.step) == ("ARTIFACT_FAILED", "")
        assert says in report.failure.message
        assert "'file'" in report.failure.message
        assert list(store.list_artifacts()) == []


def test_a_timeout_says_how_long_and_whose(request_of, store):
    source = """
        import time
        from dioptra import pyplugs
        @pyplugs.register
        def seed():
            time.sleep(600)
    """
    for fields, says in [
        ({"timeout": 0.25}, "the stage's timeout of 0.25 seconds"),
        ({"step_timeouts": (("seeded", 0.25),)}, "its timeout of 0.25 seconds"),
    ]:
        stage = Stage(name="s0", steps=("seeded",), **fields)
        (report,) = run_stage(with_source(request_of, store, source, stage))
        assert report.failure.reason == "TIMEOUT"
        assert report.failure.message == f'Step "seeded" was stopped at {says}.'
