"""What no node has is said."""

import asyncio

import pytest

from dioptra_ray.planning.plan import Resources
from dioptra_workers.runner import capacity
from dioptra_workers.runner.capacity import Node, read_nodes, shortage

NODES = (
    Node({"CPU": 8.0, "memory": 4 * 1024**3}, {"zone": "a"}),
    Node({"CPU": 2.0, "GPU": 1.0, "memory": 2 * 1024**3}, {"zone": "b"}),
)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Resources(), ""),
        (Resources(num_cpus=8), ""),
        (Resources(num_gpus=0.5), ""),
        (Resources(num_cpus=10), "CPU=10; no node has it (largest: CPU=8)"),
        (Resources(num_gpus=4), "GPU=4; no node has it (largest: GPU=1)"),
        # Each is somewhere, but not on one node.
        (
            Resources(num_cpus=8, num_gpus=1),
            "CPU=8, GPU=1; no node has all of it (largest: CPU=8, GPU=1)",
        ),
        (Resources(custom=(("fpga", 1.0),)), "fpga=1; no node has it (largest: fpga=0)"),
        (
            Resources(memory=5 * 1024**3),
            "memory=5GiB; no node has it (largest: memory=4GiB)",
        ),
        (Resources(labels=(("zone", "a"),)), ""),
        (Resources(labels=(("zone", "!a"),)), ""),
        (Resources(labels=(("zone", "c"),)), "a node with label zone=c; no node has it"),
        (
            Resources(num_gpus=1, labels=(("zone", "a"),)),
            "GPU=1; no node has it (largest: GPU=0)",
        ),
    ],
)
def test_what_is_short_is_said_by_node(wanted, says):
    assert shortage(wanted, NODES) == says


def test_dead_nodes_do_not_count():
    found = [{"Alive": False, "Resources": {"CPU": 64.0}}, {"Alive": True, "Resources": {}}]
    assert read_nodes(found) == (Node({}, {}),)
    assert "largest: CPU=0" in shortage(Resources(), read_nodes(found))


class ChangingNodes:
    """Gives one set of nodes after another."""

    def __init__(self, *looks):
        self.looks = list(looks)

    async def get(self):
        return self.looks.pop(0)


def test_what_is_short_is_said_as_long_as_it_waits(monkeypatch):
    monkeypatch.setattr(capacity, "LOOK_SECONDS", 0)
    nodes = ChangingNodes((), (), NODES[1:], NODES, NODES)
    said = []
    watching = capacity.watch(
        Resources(num_cpus=8), nodes, waits=lambda: bool(nodes.looks), say=said.append
    )
    asyncio.run(watching)
    assert said == [
        *["waits for CPU=8; no node has it (largest: CPU=0)"] * 2,
        "waits for CPU=8; no node has it (largest: CPU=2)",
        "",
        "",
    ]


def test_nobody_is_told_of_no_nodes_while_another_still_looks(monkeypatch):
    looks = []

    def look():
        looks.append(1)
        return [{"Alive": True, "Resources": {"CPU": 1.0}}]

    monkeypatch.setattr("ray.nodes", look)

    async def both():
        nodes = capacity.Nodes()
        return await asyncio.gather(nodes.get(), nodes.get())

    first, second = asyncio.run(both())
    assert first == second == (Node({"CPU": 1.0}, {}),)
    assert len(looks) == 1
