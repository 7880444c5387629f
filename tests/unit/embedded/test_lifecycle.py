"""Starting and stopping: with real processes that stand in for the controller and the runner."""

import json
import multiprocessing
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest

from dioptra_ray.client import Client
from dioptra_ray.embedded import down, lifecycle, status, up
from dioptra_ray.embedded.launch import Options
from dioptra_ray.embedded.processes import Process, identify, is_alive, remains
from dioptra_ray.embedded.state import state_directory
from dioptra_ray.errors import PreconditionError, UnavailableError

PARTS = str(Path(__file__).with_name("parts.py"))


def options(controller: str = "", runner: str = "", **others) -> Options:
    return Options(
        controller=(sys.executable, PARTS, "controller", controller),
        runner=(sys.executable, PARTS, "runner", runner),
        **others,
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("DIOPTRA_STATE_DIR", raising=False)
    root = tmp_path / "state"
    yield root
    down(root)


def left_over(root: Path) -> list[int]:
    deployment = state_directory(root).read()
    return remains(sessions=set(), marker=deployment.marker)


def test_up_is_ready_and_down_leaves_nothing(root) -> None:
    deployment, was_started = up(root, options=options())
    assert was_started
    assert deployment.ready
    assert status(root).is_up
    assert set(status(root).pids) == {"controller", "runner"}
    with Client(state_dir=root) as client:
        assert [runner.name for runner in client.cluster().runners] == ["embedded"]
    child = int((root / "child.pid").read_text())
    assert identify(child) is not None
    assert down(root)
    assert (root / "runner.ended").exists(), "the runner was asked politely"
    assert identify(child) is None, "what left the runner's session is found all the same"
    assert left_over(root) == []
    assert not status(root).is_up
    assert not down(root)


def test_the_token_is_the_owners_alone_and_stays(root) -> None:
    up(root, options=options())
    token = root / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    before = token.read_text()
    down(root)
    up(root, options=options())
    assert token.read_text() == before


def test_up_twice_is_up_once(root) -> None:
    first, _ = up(root, options=options())
    second, was_started = up(root, options=options())
    assert not was_started
    assert second == first


def test_another_store_takes_a_restart_and_is_remembered(root, tmp_path) -> None:
    other = (tmp_path / "elsewhere").as_uri()
    up(root, options=options())
    with pytest.raises(PreconditionError, match="down"):
        up(root, options=options(store_url=other))
    down(root)
    up(root, options=options(store_url=other))
    assert f"DIOPTRA_STORE_URL={other}" in (root / "runner.environment").read_text().splitlines()
    down(root)
    deployment, _ = up(root, options=options())
    assert deployment.store_url == other


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"controller": "dies"}, "the database is from the future"),
        ({"runner": "dies"}, "no space left for Ray"),
    ],
)
def test_what_fails_to_start_is_quoted_and_stopped(root, faults, said) -> None:
    with pytest.raises(PreconditionError) as caught:
        up(root, options=options(**faults))
    assert said in caught.value.message
    assert "line 5\n" not in caught.value.message
    assert not status(root).is_up
    assert status(root).pids == {}
    assert left_over(root) == []


def test_what_is_not_ready_in_time_is_stopped(root) -> None:
    with pytest.raises(PreconditionError, match="runner is not ready in time"):
        up(root, options=options(runner="silent"), timeout=8.0)
    assert left_over(root) == []


def test_what_does_not_end_by_itself_is_killed(root, monkeypatch) -> None:
    monkeypatch.setattr(lifecycle, "GRACE_SECONDS", 0.5)
    deployment, _ = up(root, options=options(runner="stubborn"))
    down(root)
    assert not is_alive(deployment.processes["runner"])
    assert left_over(root) == []


def test_a_deployment_that_died_is_started_again(root) -> None:
    first, _ = up(root, options=options())
    os.kill(first.processes["controller"].pid, signal.SIGKILL)
    os.waitpid(first.processes["controller"].pid, 0)
    child = int((root / "child.pid").read_text())
    second, was_started = up(root, options=options())
    assert was_started
    assert second.processes.keys() == first.processes.keys()
    assert not is_alive(first.processes["runner"]), "half a deployment is no deployment"
    assert identify(child) is None


def test_a_used_again_process_id_is_left_alone(root) -> None:
    up(root, options=options())
    down(root)
    file = root / "deployment.json"
    data = json.loads(file.read_text())
    mine = {"pid": os.getpid(), "started": "another boot:1"}
    data |= {"processes": {"controller": mine, "runner": mine}, "ready": True}
    file.write_text(json.dumps(data))
    assert not status(root).is_up
    with pytest.raises(UnavailableError, match="dioptra-ray up"):
        Client(state_dir=root)
    assert not down(root)
    assert identify(os.getpid()) is not None


def test_a_broken_description_of_the_deployment_is_replaced(root) -> None:
    root.mkdir()
    (root / "deployment.json").write_text('{"processes": [')
    assert not status(root).is_up
    _, was_started = up(root, options=options())
    assert was_started


def _up_in_child(root: Path, results) -> None:
    results.put(up(root, options=options())[1])


def test_two_ups_at_once_start_one_deployment(root) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    children = [context.Process(target=_up_in_child, args=(root, results)) for _ in range(2)]
    for child in children:
        child.start()
    outcomes = sorted(results.get() for _ in children)
    for child in children:
        child.join()
    assert outcomes == [False, True]


def test_nothing_is_up_where_nothing_was(tmp_path) -> None:
    assert not down(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert not status(tmp_path / "nowhere").was_up


def test_a_process_is_itself_only() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert is_alive(me)
    assert not is_alive(Process(pid=me.pid, started="then"))


def test_a_failed_up_is_not_remembered(root, tmp_path) -> None:
    first, _ = up(root, options=options())
    down(root)
    other = (tmp_path / "elsewhere").as_uri()
    with pytest.raises(PreconditionError):
        up(root, options=options(runner="dies", store_url=other))
    assert status(root).store_url == first.store_url
    assert up(root, options=options())[0].store_url == first.store_url


def test_a_first_up_that_fails_chooses_nothing(root, tmp_path) -> None:
    with pytest.raises(PreconditionError):
        up(root, options=options(controller="dies", store_url=(tmp_path / "bad").as_uri()))
    deployment, _ = up(root, options=options())
    assert deployment.store_url == (root / "artifacts").as_uri()


def test_a_new_store_is_forced_upon_the_controller_only_when_asked(root, tmp_path) -> None:
    def told() -> list[str]:
        return (root / "controller.environment").read_text().splitlines()

    up(root, options=options())
    assert "DIOPTRA_FORCE_NEW_STORE=false" in told()
    down(root)
    other = (tmp_path / "elsewhere").as_uri()
    up(root, options=options(store_url=other, force_new_store=True))
    assert "DIOPTRA_FORCE_NEW_STORE=true" in told()


def test_what_the_controller_says_of_its_settings_is_all_that_is_quoted(root) -> None:
    with pytest.raises(PreconditionError) as caught:
        up(root, options=options(controller="refuses"))
    assert caught.value.message == "the controller ended with 2: this store is not yours"


def test_the_port_is_the_last_one_while_it_is_free(root) -> None:
    first, _ = up(root, options=options())
    down(root)
    second, _ = up(root, options=options())
    assert second.address == first.address
    down(root)
    with socket.create_server(("127.0.0.1", int(first.address.rpartition(":")[2]))):
        third, _ = up(root, options=options())
    assert third.address != first.address


def test_other_options_of_a_running_deployment_are_refused_by_name(root) -> None:
    running, _ = up(root, options=options(slots=2))
    assert up(root, options=options(slots=2, queues=("*",))) == (running, False)
    with pytest.raises(PreconditionError) as caught:
        up(root, options=options(slots=3, queues=("gpu",), port=1))
    for part in ("--slots is 2, not 3", "--queue is *, not gpu", "--port is", "down"):
        assert part in caught.value.message
    assert "--store-url" not in caught.value.message


@pytest.mark.parametrize("part", ["controller", "runner"])
def test_who_died_and_where_its_log_is_are_said(root, part) -> None:
    deployment, _ = up(root, options=options())
    os.kill(deployment.processes[part].pid, signal.SIGKILL)
    os.waitpid(deployment.processes[part].pid, 0)
    with pytest.raises(UnavailableError) as caught:
        Client(state_dir=root)
    for said in (f"the {part} of", str(root / "logs" / f"{part}.log"), "`dioptra-ray up`"):
        assert said in caught.value.message


def test_the_files_of_a_dead_ray_are_removed(root) -> None:
    deployment, _ = up(root, options=options())
    temporary = Path(deployment.temporary)
    (temporary / "ray").mkdir()
    assert f"DIOPTRA_RUNNER_TEMPORARY_DIR={temporary}" in (
        (root / "runner.environment").read_text().splitlines()
    )
    down(root)
    assert not temporary.exists()
    deployment, _ = up(root, options=options())
    for process in deployment.processes.values():
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
    assert Path(deployment.temporary).exists()
    again, _ = up(root, options=options())
    assert not Path(deployment.temporary).exists()
    assert Path(again.temporary).exists()
