"""Environments of queues on a real Ray: variables, and those that cannot be made."""

from pathlib import Path

import pytest

from dioptra_workers.runner.orders import StageWaits
from dioptra_workers.stage.events import LogLine
from tests.integration.workers.conftest import Lab

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCE = """
    import os
    import time
    from dioptra import pyplugs

    @pyplugs.register
    def look(name):
        print(os.environ.get(name), flush=True)
        os.environ[name] = "changed"
        return os.getpid()

    @pyplugs.register
    def hold(gate):
        while not os.path.exists(gate):
            time.sleep(0.01)

    @pyplugs.register
    def look_again(name, before):
        print(os.environ.get(name), flush=True)
"""
TASKS = {
    "look": {
        "plugin": "probe.tasks.look",
        "inputs": [{"name": "string"}],
        "outputs": {"pid": "integer"},
    },
    "hold": {"plugin": "probe.tasks.hold", "inputs": [{"gate": "string"}]},
    "look_again": {
        "plugin": "probe.tasks.look_again",
        "inputs": [{"name": "string"}, {"before": "integer"}],
    },
}
ONE_STAGE = {"types": {}, "tasks": TASKS, "graph": {"a": {"look": ["COLOUR"]}}}
TWO_STAGES = {
    **ONE_STAGE,
    "graph": {"a": {"look": ["COLOUR"]}, "b": {"look_again": ["COLOUR", "$a"]}},
    "execution": {"steps": {"a": {"parallel": True}, "b": {"num_cpus": 0.5}}},
}


def printed(job) -> list[str]:
    return [e.message for e in job.events if isinstance(e, LogLine) and e.logger == "stdout"]


def in_colour(colour: str, **more) -> dict:
    return {"runtime_env": {"env_vars": {"COLOUR": colour}}, **more}


@pytest.mark.parametrize("isolation", ["", "process"])
async def test_plugins_see_the_variables_of_their_queue(lab: Lab, isolation) -> None:
    for colour in ("blue", "blue", "red"):
        environment = in_colour(colour, isolation=isolation)
        ended, job = await lab.run(TWO_STAGES, {"probe": SOURCE}, environment=environment)
        assert ended.outcome == "finished", ended
        assert printed(job) == [colour, colour], "what a stage sets, the next does not see"
    ended, job = await lab.run(ONE_STAGE, {"probe": SOURCE})
    assert printed(job) == ["None"], "a queue without variables has none"


@pytest.mark.parametrize(
    ("runtime_env", "said"),
    [({"conda": "nowhere"}, "Conda executable"), ({"image_uri": "nowhere/image:1"}, "podman")],
)
async def test_what_cannot_be_set_up_fails_the_job_in_words(lab: Lab, runtime_env, said) -> None:
    environment = {"runtime_env": runtime_env}
    ended, job = await lab.run(TWO_STAGES, {"probe": SOURCE}, environment=environment)
    assert ended.failure is not None
    assert ended.failure.reason == "ENVIRONMENT_FAILED"
    assert ended.failure.message.startswith("Ray could not set up the environment of the job's")
    assert said in ended.failure.message
    assert "Traceback" not in ended.failure.message
    assert not [e for e in job.events if isinstance(e, LogLine)], "it is not tried again"
    assert job.phases == [("a", "skipped"), ("b", "skipped")]


async def test_what_no_variable_can_change(lab: Lab) -> None:
    """Credentials of the store are hidden from plugins, whatever the environment."""
    description = {**ONE_STAGE, "graph": {"a": {"look": ["RAY_AUTH_TOKEN"]}}}
    ended, job = await lab.run(description, {"probe": SOURCE}, environment=in_colour("blue"))
    assert ended.outcome == "finished"
    assert printed(job) == ["None"]


async def test_a_stage_that_could_begin_says_what_it_may_wait_for(lab: Lab, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    holding = {**ONE_STAGE, "graph": {"a": {"hold": [str(gate)]}}}
    everything = in_colour("blue", num_cpus=2)
    holder = lab.start(holding, {"probe": SOURCE}, environment=everything)
    await holder.until_running("a")
    job = lab.start(ONE_STAGE, {"probe": SOURCE}, environment=everything)
    said = "waits for room on a node, or for Ray to set up its environment"
    await job.until(lambda event: isinstance(event, StageWaits) and event.reason == said)
    gate.touch()
    for one in (holder, job):
        assert (await one.end()).outcome == "finished"
    waits = [event.reason for event in job.events if isinstance(event, StageWaits)]
    assert waits == [said, ""]
