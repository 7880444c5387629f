"""The stream to the controller, against a controller of ours that can be told to fail."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.api.runner.v1.runner_service_pb2_grpc import (
    add_RunnerServiceServicer_to_server,
)
from dioptra_ray.planning.plan import Plan
from dioptra_workers.runner.capacity import Node
from dioptra_workers.runner.link import Link, RefusedError
from dioptra_workers.settings import RunnerSettings
from tests.integration.workers.runner_service import FakeController

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAY = """
    import time
    from dioptra import pyplugs

    @pyplugs.register
    def say(text):
        print(text)

    @pyplugs.register
    def wait(path):
        import os
        while not os.path.exists(path):
            time.sleep(0.01)
"""
TASKS = {"say": (["text"], None), "wait": (["path"], None)}


@pytest_asyncio.fixture(loop_scope="session")
async def controller() -> AsyncIterator[tuple[FakeController, str]]:
    fake = FakeController()
    server = grpc.aio.server()
    add_RunnerServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield fake, f"127.0.0.1:{port}"
    await server.stop(None)


def settings(lab: Any, address: str, **changes: Any) -> RunnerSettings:
    return RunnerSettings(
        controller=address,
        ray_address="local",
        queues=("default", "gpu"),
        slots=4,
        name="tester",
        store_url=lab.store.url,
        scratch_dir=lab.scratch,
        **changes,
    )


def make_link(lab: Any, address: str, **changes: Any) -> Link:
    return Link(
        settings(lab, address, **changes),
        lab.driver,
        runner_id="runner-1",
        ray_address="somewhere",
        resources=lambda: {"CPU": 2.0},
        nodes=lambda: [
            Node({"CPU": 1.0, "node:10.0.0.9": 1.0}, {"zone": "a"}, "f00", "10.0.0.9"),
            Node({"CPU": 1.0}, {}, "ba5", "10.0.0.8"),
        ],
    )


@pytest_asyncio.fixture(loop_scope="session")
async def connected(
    lab: Any, controller: tuple[FakeController, str], tmp_path: Path
) -> AsyncIterator[FakeController]:
    fake, address = controller
    token = tmp_path / "token"
    token.write_text("secret\n")
    link = make_link(lab, address, token_file=token)
    running = asyncio.create_task(link.run())
    await fake.until(lambda: fake.hellos)
    yield fake
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await link.close()


def plan_of(lab: Any, describe: Any, graph: dict[str, Any]) -> Plan:
    plan: Plan = lab.plan(describe(graph, TASKS), {"p": SAY})
    return plan


async def test_hello_says_who_it_is(connected, lab):
    (hello,) = connected.hellos
    assert (hello.runner_id, hello.name, hello.slots) == ("runner-1", "tester", 4)
    assert list(hello.queues) == ["default", "gpu"]
    assert dict(hello.resources) == {"CPU": 2.0}
    first, second = hello.nodes
    assert (first.id, first.address, dict(first.labels)) == ("ba5", "10.0.0.8", {})
    assert (dict(second.resources), dict(second.labels)) == ({"CPU": 1.0}, {"zone": "a"})
    assert hello.store_url == lab.store.url
    assert connected.metadata["authorization"] == "Bearer secret"


async def test_a_job_is_reported_from_its_first_step_to_its_end(connected, lab, describe):
    plan = plan_of(lab, describe, {"a": {"say": "hello"}})
    for job_id in (101, 102, 103):
        connected.assign(job_id, plan)
    await connected.until(lambda: all(map(connected.end, (101, 102, 103))))
    reports = connected.of(101)
    changes = [c for r in reports for c in r.steps_changed.changes]
    assert [(c.step, c.phase) for c in changes] == [
        ("a", pb.STEP_PHASE_RUNNING),
        ("a", pb.STEP_PHASE_FINISHED),
    ]
    assert changes[0].pid > 0
    lines = [line for report in reports for line in report.logs_appended.lines]
    assert [(line.logger, line.step, line.message) for line in lines][1:] == [
        ("stdout", "a", "hello")
    ]
    assert connected.end(101).outcome == pb.ATTEMPT_OUTCOME_FINISHED
    assert reports[-1].WhichOneof("event") == "attempt_ended"
    await connected.until(lambda: connected.heartbeats > 1)
    assert connected.nodes == ["10.0.0.8", "10.0.0.9"]


async def test_reports_that_were_not_committed_are_sent_again(connected, lab, describe, tmp_path):
    gate = tmp_path / "gate"
    connected.committing = False
    connected.assign(201, plan_of(lab, describe, {"a": {"wait": str(gate)}}))
    await connected.until(lambda: connected.received)
    connected.break_stream()
    await connected.until(lambda: len(connected.hellos) == 2)
    assert [lease.job_id for lease in connected.hellos[1].leases] == [201]
    connected.committing = True
    gate.touch()
    await connected.until(lambda: connected.end(201))
    assert connected.end(201).outcome == pb.ATTEMPT_OUTCOME_FINISHED
    assert connected.received.count(1) > 1
    assert [report.sequence for report in connected.reports] == list(
        range(1, len(connected.reports) + 1)
    )


async def test_an_ended_job_is_held_until_its_end_is_committed(connected, lab, describe):
    connected.committing = False
    connected.assign(301, plan_of(lab, describe, {"a": {"say": "x"}}))
    await connected.until(lambda: connected.received)
    connected.break_stream()
    await connected.until(lambda: len(connected.hellos) == 2)
    assert [lease.job_id for lease in connected.hellos[1].leases] == [301]
    connected.committing = True
    connected.break_stream()
    await connected.until(lambda: connected.end(301))
    connected.break_stream()
    known = len(connected.hellos)
    await connected.until(lambda: len(connected.hellos) > known)
    assert list(connected.hellos[-1].leases) == []


async def test_a_revoked_lease_is_stopped_and_says_nothing_more(connected, lab, describe, tmp_path):
    connected.assign(401, plan_of(lab, describe, {"a": {"wait": str(tmp_path / "never")}}))
    await connected.until(lambda: connected.of(401))
    connected.revoke = True
    said = len(connected.of(401))
    connected.break_stream()
    await connected.until(lambda: len(connected.hellos) == 2)
    connected.assign(402, plan_of(lab, describe, {"a": {"say": "next"}}))
    await connected.until(lambda: connected.end(402))
    await lab.driver.wait_until_idle()
    assert len(connected.of(401)) == said
    assert connected.end(401) is None


async def test_cancellation(connected, lab, describe, tmp_path):
    connected.assign(501, plan_of(lab, describe, {"a": {"wait": str(tmp_path / "never")}}))
    await connected.until(lambda: connected.of(501))
    connected.cancel(501)
    await connected.until(lambda: connected.end(501))
    assert connected.end(501).outcome == pb.ATTEMPT_OUTCOME_CANCELLED


async def test_timeout_fails_the_job(connected, lab, describe, tmp_path):
    plan = plan_of(lab, describe, {"a": {"wait": str(tmp_path / "never")}})
    connected.assign(601, plan, timeout_seconds=0.3)
    await connected.until(lambda: connected.end(601))
    end = connected.end(601)
    assert (end.outcome, end.failure.reason) == (pb.ATTEMPT_OUTCOME_FAILED, "TIMEOUT")


async def test_a_plan_that_cannot_be_had_fails_the_job(connected, lab, describe):
    plan = plan_of(lab, describe, {"a": {"say": "never said"}})
    connected.assign(701, plan)
    connected.plans.clear()
    await connected.until(lambda: connected.end(701))
    assert connected.end(701).failure.reason == "INTERNAL"


async def test_a_refused_runner_says_why(lab, controller):
    fake, address = controller
    fake.refuse = (grpc.StatusCode.FAILED_PRECONDITION, "another store")
    link = make_link(lab, address)
    with pytest.raises(RefusedError, match="another store"):
        await link.run()
    await link.close()


def children_of(pid: int) -> set[int]:
    """All processes below `pid`, by /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def start_runner(lab: Any, address: str, folder: Path, *options: str) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dioptra_workers", "--controller", address,
             "--ray-address", "local", "--num-cpus", "1", "--store-url", lab.store.url,
             "--scratch-dir", str(folder / "scratch"), "--name", "own", *options],
            stdout=log, stderr=log,
            env={**os.environ, "HOME": str(folder / "home")},
        )  # fmt: skip


async def test_sigterm_leaves_no_process(controller, lab, describe, tmp_path):
    fake, address = controller
    runner = start_runner(lab, address, tmp_path)
    try:
        await fake.until(lambda: fake.hellos)
        fake.assign(801, plan_of(lab, describe, {"a": {"wait": str(tmp_path / "never")}}))
        await fake.until(lambda: fake.of(801))
        below = children_of(runner.pid)
        assert below
        runner.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(runner.wait, 60) == 0, (tmp_path / "log").read_text()
    finally:
        runner.kill()
        runner.wait()
    assert fake.end(801) is None
    left = [pid for pid in below if not is_gone(pid)]
    assert left == []
    assert not (tmp_path / "home").exists()
    assert os.listdir(tmp_path / "scratch" / "stages") == []  # noqa: PTH208


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_a_runner_that_drains_ends_what_it_holds(controller, lab, describe, tmp_path):
    fake, address = controller
    runner = start_runner(lab, address, tmp_path, "--drain", "60")
    gate = tmp_path / "gate"
    try:
        await fake.until(lambda: fake.hellos)
        assert not fake.hellos[0].draining
        fake.assign(811, plan_of(lab, describe, {"a": {"wait": str(gate)}}))
        await fake.until(lambda: fake.of(811))
        # What it says after a lost stream, it says again.
        runner.send_signal(signal.SIGTERM)
        await fake.until(lambda: fake.draining)
        fake.break_stream()
        await fake.until(lambda: len(fake.hellos) == 2)
        assert fake.hellos[1].draining
        assert [lease.job_id for lease in fake.hellos[1].leases] == [811]
        gate.touch()
        assert await asyncio.to_thread(runner.wait, 60) == 0, (tmp_path / "log").read_text()
    finally:
        runner.kill()
        runner.wait()
    assert fake.end(811).outcome == pb.ATTEMPT_OUTCOME_FINISHED
    assert fake.goodbyes == 1


async def test_a_second_sigterm_ends_the_patience(controller, lab, describe, tmp_path):
    fake, address = controller
    runner = start_runner(lab, address, tmp_path, "--drain", "3600")
    try:
        await fake.until(lambda: fake.hellos)
        fake.assign(821, plan_of(lab, describe, {"a": {"wait": str(tmp_path / "never")}}))
        await fake.until(lambda: fake.of(821))
        runner.send_signal(signal.SIGTERM)
        await fake.until(lambda: fake.draining)
        runner.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(runner.wait, 60) == 0, (tmp_path / "log").read_text()
    finally:
        runner.kill()
        runner.wait()
    assert fake.end(821) is None
    assert fake.goodbyes == 1


async def test_leaving_hands_back_what_runs_and_reports_no_end_of_it(
    controller, lab, describe, tmp_path
):
    fake, address = controller
    link = make_link(lab, address)
    running = asyncio.create_task(link.run())
    await fake.until(lambda: fake.hellos)
    fake.assign(901, plan_of(lab, describe, {"a": {"wait": str(tmp_path / "never")}}))
    await fake.until(lambda: fake.of(901))
    link.retire()
    fake.assign(902, plan_of(lab, describe, {"a": {"say": "too late"}}))
    lab.driver.cancel((901, 1))
    await asyncio.wait_for(lab.driver.wait_until_idle(), 60)
    link.leave()
    await asyncio.wait_for(running, 60)
    assert fake.goodbyes == 1
    assert fake.end(901) is None
    assert fake.of(902) == []
    await link.close()


async def test_what_could_not_be_said_before_is_said_before_goodbye(controller, lab, describe):
    fake, address = controller
    link = make_link(lab, address)
    running = asyncio.create_task(link.run())
    await fake.until(lambda: fake.hellos)
    fake.committing = False
    fake.assign(911, plan_of(lab, describe, {"a": {"say": "x"}}))
    await fake.until(lambda: fake.received)
    await asyncio.wait_for(lab.driver.wait_until_idle(), 60)
    link.retire()
    link.leave()
    fake.committing = True
    fake.break_stream()
    await asyncio.wait_for(running, 60)
    assert fake.goodbyes == 1
    assert fake.end(911).outcome == pb.ATTEMPT_OUTCOME_FINISHED
    await link.close()
