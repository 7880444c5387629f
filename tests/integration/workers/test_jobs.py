"""Jobs on a real Ray: what they give, what they say, and how they fail."""

import math

import pytest

from dioptra_workers.stage.request import ArtifactInput

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARITHMETIC = """
    from dioptra import pyplugs

    @pyplugs.register
    def number(value):
        return value

    @pyplugs.register
    def add(a, b):
        return a + b

    @pyplugs.register
    def fail(a):
        raise ValueError(f"no {a}")

    @pyplugs.register
    def leave(code):
        import sys
        print("leaving", end="")
        sys.exit(code)

    @pyplugs.register
    def die(code):
        import os
        print("last words", flush=True)
        os._exit(code)
"""
ARITHMETIC_TASKS = {
    "number": (["value"], "value"),
    "add": (["a", "b"], "sum"),
    "fail": (["a"], None),
    "leave": (["code"], None),
    "die": (["code"], None),
}
ARTIFACTS = """
    import json
    from dioptra import pyplugs
    from dioptra.sdk.api.artifact import ArtifactTaskInterface

    class Model:
        VERSION = "{version}"
        def __init__(self, weight):
            self.weight = weight

    @pyplugs.register
    def train(weight):
        return Model(weight)

    @pyplugs.register
    def describe(model):
        from dioptra_ray import current_job
        current_job().log_metric("weight", model.weight)
        return f"{{type(model).VERSION}} {{isinstance(model, Model)}}"

    class ModelTask(ArtifactTaskInterface):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            path = (working_dir / name).with_suffix(".json")
            path.write_text(json.dumps({{"weight": contents.weight}}))
            return path

        @staticmethod
        def deserialize(working_dir, path, **kwargs):
            return Model(json.loads((working_dir / path).read_text())["weight"])

        @staticmethod
        def validation():
            return None

    class BrokenTask(ModelTask):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            raise OSError("no space")

    class TextTask(ModelTask):
        @staticmethod
        def serialize(working_dir, name, contents, **kwargs):
            (working_dir / name).write_text(contents)
            return working_dir / name
"""
ARTIFACT_TASKS = {name: f"p.tasks.{name}" for name in ("ModelTask", "BrokenTask", "TextTask")}


async def test_a_job_of_three_steps_finishes_in_one_process(lab, describe):
    graph = {
        "one": {"number": "$n"},
        "two": {"add": ["$one", 2]},
        "three": {"add": ["$two", "$one"]},
    }
    sources = {
        "p": ARITHMETIC.replace(
            "return a + b",
            "from dioptra_ray import current_job; current_job().log_metric('sum', a + b, int(b)); "
            "return a + b",
        )
    }
    description = describe(graph, ARITHMETIC_TASKS, parameters={"n": 40})
    ended, job = await lab.run(description, sources, parameters={"n": 40})
    assert ended.outcome == "finished", ended
    assert job.phases == [
        (step, phase) for step in ("one", "two", "three") for phase in ("running", "finished")
    ]
    assert [metric.value for metric in job.metrics] == [42.0, 82.0]
    assert len({event.pid for event in job.events if hasattr(event, "pid")}) == 1
    assert lab.left_behind() == []


async def test_a_step_that_raises_is_named_with_its_plugin_line(lab, describe):
    graph = {"one": {"number": 1}, "bad": {"fail": "$one"}, "after": {"number": "$bad2"}}
    graph["after"] = {"number": 1, "dependencies": "bad"}
    ended, job = await lab.run(describe(graph, ARITHMETIC_TASKS), {"p": ARITHMETIC})
    failure = ended.failure
    assert ended.outcome == "failed"
    assert (failure.reason, failure.step, failure.error_type) == (
        "STEP_RAISED",
        "bad",
        "ValueError",
    )
    assert (failure.file, failure.line) == ("p/tasks.py", 14)
    assert "no 1" in failure.message
    assert "raise ValueError" in failure.traceback
    assert job.phases[-2:] == [("bad", "failed"), ("after", "skipped")]
    assert lab.left_behind() == []


async def test_system_exit_is_a_failure(lab, describe):
    graph = {"bad": {"leave": 0}}
    ended, job = await lab.run(describe(graph, ARITHMETIC_TASKS), {"p": ARITHMETIC})
    assert (ended.outcome, ended.failure.reason) == ("failed", "STEP_EXITED")
    assert ended.failure.step == "bad"
    assert [(line.logger, line.message) for line in job.logs] == [("stdout", "leaving")]


@pytest.mark.parametrize("code", [0, 3])
async def test_a_process_that_dies_leaves_its_last_words(lab, describe, code):
    graph = {"one": {"number": 1}, "bad": {"die": code, "dependencies": "one"}}
    ended, job = await lab.run(describe(graph, ARITHMETIC_TASKS), {"p": ARITHMETIC})
    assert (ended.outcome, ended.failure.reason) == ("failed", "PROCESS_DIED")
    assert ended.failure.step == "bad"
    assert job.phases == [
        ("one", "running"),
        ("one", "finished"),
        ("bad", "running"),
        ("bad", "failed"),
    ]
    assert [(line.logger, line.message) for line in job.logs] == [("stdout", "last words")]
    assert lab.left_behind() == []


async def test_everything_said_comes_back_in_order(lab, describe):
    source = """
        import logging, sys
        import structlog
        from dioptra import pyplugs
        from dioptra_ray import current_job

        LOG = structlog.get_logger()

        @pyplugs.register
        def talk(text):
            print("printed", text)
            logging.getLogger("my.logger").warning("careful %s", text)
            LOG.info("event", key="value", text=text)
            print("to stderr", file=sys.stderr)
            logging.getLogger("my.logger").debug("not heard")
            job = current_job()
            job.log_metric("nan", float("nan"))
            job.log_metric("loss", float("inf"), 1)
            job.log_metric("loss", 0.5, 2)
            job.logger.info("job %s", job.parameters["name"])
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("caught")
    """
    description = describe(
        {"first": {"talk": "$name"}}, {"talk": (["text"], None)}, parameters={"name": "x"}
    )
    ended, job = await lab.run(description, {"p": source}, parameters={"name": "ü"})
    assert ended.outcome == "finished", ended
    said = [(line.level, line.logger, line.message) for line in job.logs]
    assert said[:5] == [
        ("INFO", "stdout", "printed ü"),
        ("WARNING", "my.logger", "careful ü"),
        ("INFO", "p.tasks", "event key='value' text='ü'"),
        ("WARNING", "stderr", "to stderr"),
        ("INFO", "dioptra_ray.job", "job ü"),
    ]
    assert said[5][2].startswith("caught\nTraceback")
    assert "ZeroDivisionError" in said[5][2]
    assert {line.step for line in job.logs} == {"first"}
    times = [event.time for event in job.events]
    assert times == sorted(times)
    assert [(m.name, m.step) for m in job.metrics] == [("nan", 0), ("loss", 1), ("loss", 2)]
    assert math.isnan(job.metrics[0].value)
    assert math.isinf(job.metrics[1].value)


async def test_two_versions_of_a_plugin_at_once(lab, describe):
    source = """
        import time
        from dioptra import pyplugs
        from dioptra_ray import current_job
        VERSION = {version}

        @pyplugs.register
        def say():
            import p.tasks
            time.sleep(0.05)
            current_job().log_metric("version", p.tasks.VERSION)
    """
    description = describe({"say": {"say": {}}}, {"say": ([], None)})
    jobs = [
        (version, lab.start(description, {"p": source.format(version=version)}))
        for version in (1, 2, 1, 2, 3, 1)
    ]
    for version, job in jobs:
        ended = await job.end()
        assert ended.outcome == "finished", ended
        assert job.metric("version") == version


async def test_artifacts_are_stored_and_read_by_another_job(lab, describe):
    tasks = {"train": (["weight"], "model"), "describe": (["model"], "text")}
    outputs = {
        "kept": {"contents": "$model", "task": {"name": "ModelTask"}},
    }
    description = describe({"model": {"train": 7}}, tasks, artifact_outputs=outputs)
    old = ARTIFACTS.format(version="old")
    ended, job = await lab.run(description, {"p": old}, artifact_tasks=ARTIFACT_TASKS)
    assert ended.outcome == "finished", ended
    (stored,) = ended.artifacts
    assert (stored.name, stored.key) == ("kept", f"artifacts/{job.lease[0]}/1/kept")
    assert b"".join(lab.store.open_file(stored.key, "")) == b'{"weight": 7}'

    given = ArtifactInput(
        name="given",
        artifact_id=5,
        key=stored.key,
        manifest_json=stored.manifest_json,
        task="p.tasks.ModelTask",
        plugin_digest=job.plan.plugins[0].digest,
        outputs=("model",),
    )
    reading = describe(
        {"text": {"describe": "$given"}},
        tasks,
        artifact_inputs={"given": {"model": "any"}},
        artifact_outputs={"said": {"contents": "$text", "task": {"name": "TextTask"}}},
    )
    for version, expected in (("old", b"old True"), ("new", b"old False")):
        # As in Dioptra, what the old plugin version reads is of its own classes.
        sources = {"p": ARTIFACTS.format(version=version)}
        ended, job = await lab.run(
            reading, sources, artifact_tasks=ARTIFACT_TASKS, artifact_inputs=(given,)
        )
        assert ended.outcome == "finished", ended
        assert job.metric("weight") == 7
        assert b"".join(lab.store.open_file(ended.artifacts[0].key, "")) == expected


async def test_a_failing_artifact_leaves_none(lab, describe):
    outputs = {
        "kept": {"contents": "$model", "task": {"name": "ModelTask"}},
        "bad": {"contents": "$model", "task": {"name": "BrokenTask"}},
    }
    tasks = {"train": (["weight"], "model")}
    description = describe({"model": {"train": 7}}, tasks, artifact_outputs=outputs)
    sources = {"p": ARTIFACTS.format(version="x")}
    ended, job = await lab.run(description, sources, artifact_tasks=ARTIFACT_TASKS)
    assert (ended.outcome, ended.failure.reason) == ("failed", "ARTIFACT_FAILED")
    assert "no space" in ended.failure.message
    assert ended.artifacts == ()
    assert list(lab.store.list_artifacts(f"artifacts/{job.lease[0]}/")) == []


async def test_a_missing_artifact_is_a_failure_that_names_it(lab, describe):
    given = ArtifactInput(
        name="given",
        artifact_id=9,
        key="artifacts/999/1/none",
        manifest_json="{}",
        task="p.tasks.ModelTask",
        plugin_digest="sha256:" + "0" * 64,
        outputs=("model",),
    )
    description = describe(
        {"text": {"describe": "$given"}},
        {"describe": (["model"], "text")},
        artifact_inputs={"given": {"model": "any"}},
    )
    sources = {"p": ARTIFACTS.format(version="x")}
    ended, _ = await lab.run(description, sources, artifact_inputs=(given,))
    assert ended.outcome == "failed"
    assert lab.left_behind() == []
