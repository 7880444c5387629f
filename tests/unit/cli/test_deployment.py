"""What `up`, `down` and `status` say when something is in the way."""

from dataclasses import replace
from pathlib import Path

import pytest

from dioptra_ray import embedded
from dioptra_ray.api.controller.v1 import cluster_service_pb2
from dioptra_ray.embedded.lifecycle import Status

PLACE = Path("/somewhere")
NOTHING = Status(state_dir=PLACE, is_up=False, address="", store_url="", pids={}, was_up=False)


@pytest.mark.parametrize("command", ["up", "down"])
@pytest.mark.parametrize(
    ("pids", "said"),
    [
        ({}, "nothing runs now: `dioptra-ray up`"),
        ({"controller": 7}, "the controller (process 7) still runs: `dioptra-ray down`"),
    ],
)
def test_ctrl_c_says_what_is_left_and_what_to_do(run, monkeypatch, command, pids, said) -> None:
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded.lifecycle, command, interrupted)
    monkeypatch.setattr(embedded.lifecycle, "status", lambda _: replace(NOTHING, pids=pids))
    ran = run(command)
    assert ran.code == 130
    assert said in ran.err
    assert ran.out == ""


def test_status_shows_the_nodes_of_each_runner(remote, controller) -> None:
    node = cluster_service_pb2.Node(
        id="f00",
        address="10.0.0.2",
        resources={"CPU": 4, "GPU": 1, "memory": 2 * 1024**3, "node:10.0.0.2": 1},
        labels={"zone": "a", "ray.io/node-id": "f00"},
    )
    runner = cluster_service_pb2.Runner(name="lab", queues=["gpu"], slots=3, nodes=[node])
    controller.on("GetCluster", lambda _: cluster_service_pb2.GetClusterResponse(runners=[runner]))
    last = remote("status").out.splitlines()[-1]
    assert last.split() == ["10.0.0.2", "lab", "CPU=4", "GPU=1", "memory=2.0GiB", "zone=a"]
    (shown,) = remote("status", "--format", "json").json["cluster"]["runners"]
    assert shown["nodes"][0]["labels"] == {"zone": "a", "ray.io/node-id": "f00"}
