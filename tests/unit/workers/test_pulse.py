"""When the runner gives a node up that Ray still takes for a living one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from ray.exceptions import RayError

from dioptra_workers.runner.cluster import NodeState
from dioptra_workers.runner.pulse import (
    AVOID_SECONDS,
    LOST_SECONDS,
    SILENT_SECONDS,
    Pulse,
    first_of,
    opens,
)

NODE = NodeState("10.0.0.7", is_alive=True, port=7)


class World:
    """A clock that sleeping turns, and what happens when it has come so far."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.events: dict[float, Callable[[], None]] = {}
        self.nodes = {"n": NODE}
        self.is_open = False
        self.knocks = 0
        self.pulse = Pulse(find=self.find, knock=self.knock, clock=self.clock, sleep=self.sleep)

    def clock(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for time in [time for time in self.events if time <= self.seconds]:
            self.events.pop(time)()
        await asyncio.sleep(0)

    async def find(self) -> dict[str, NodeState]:
        return self.nodes

    async def knock(self, node: NodeState) -> bool:
        assert node is NODE
        self.knocks += 1
        return self.is_open


async def ends(work: Awaitable[str], world: World, seconds: float) -> str | None:
    """What comes of it before the clock shows so much."""
    late = asyncio.get_running_loop().create_future()
    world.events[seconds] = lambda: late.set_result(None)
    result: str | None = await first_of(late, work)
    return result


async def test_a_silent_node_that_does_not_open_is_lost() -> None:
    world = World()
    world.pulse.heard("n")
    assert await ends(world.pulse.until_lost(lambda: "n"), world, 1000) == NODE.address
    assert SILENT_SECONDS + LOST_SECONDS <= world.seconds < 20
    assert world.pulse.avoided == {"n"}
    world.seconds += AVOID_SECONDS
    assert not world.pulse.avoided


async def test_a_silent_node_that_opens_is_busy() -> None:
    world = World()
    world.is_open = True
    world.pulse.heard("n")
    assert await ends(world.pulse.until_lost(lambda: "n"), world, 100) is None
    assert world.knocks > 1
    assert not world.pulse.avoided


async def test_a_node_that_is_heard_again_is_not_lost() -> None:
    world = World()
    world.pulse.heard("n")
    for second in range(8, 100, 4):
        world.events[second] = lambda: world.pulse.heard("n")
    assert await ends(world.pulse.until_lost(lambda: "n"), world, 100) is None
    assert world.knocks


async def test_nobody_knocks_at_a_node_that_the_cluster_knows_to_be_dead() -> None:
    world = World()
    world.pulse.heard("n")
    world.nodes = {"n": NodeState(NODE.address, is_alive=False)}
    assert await ends(world.pulse.until_lost(lambda: "n"), world, 100) == NODE.address
    assert not world.knocks


async def test_who_hears_nothing_of_the_cluster_gives_no_node_up() -> None:
    world = World()
    world.pulse.heard("n")

    async def silence() -> dict[str, NodeState]:
        raise RayError("no answer")

    world.pulse._find = silence
    assert await ends(world.pulse.until_lost(lambda: "n"), world, 100) is None


async def test_a_stage_that_has_not_said_where_it_is_waits() -> None:
    world = World()
    assert await ends(world.pulse.until_lost(lambda: ""), world, 100) is None


async def test_all_stages_of_a_node_learn_that_it_is_lost() -> None:
    world = World()
    world.pulse.heard("n")
    both = [world.pulse.until_lost(lambda: "n") for _ in range(2)]
    assert await asyncio.gather(*both) == [NODE.address] * 2


async def test_the_first_result_ends_the_other() -> None:
    waiting = asyncio.Event()

    async def fails() -> str:
        raise ValueError("as it was")

    assert await first_of(asyncio.sleep(0, "done"), waiting.wait()) == "done"
    with pytest.raises(ValueError, match="as it was"):
        await first_of(fails(), waiting.wait())


async def test_a_node_opens_if_something_listens_there() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    node = NodeState("127.0.0.1", is_alive=True, port=port)
    assert await opens(node)
    server.close()
    await server.wait_closed()
    assert not await opens(node)
