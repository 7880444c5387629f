import asyncio
import threading

import pytest

from dioptra_controller.database.lane import Lane


@pytest.fixture
def lane():
    one = Lane("test", 1)
    yield one
    one.close()


def same(result):
    return result


async def test_the_result_is_delivered_in_the_loop_and_then_returned(lane):
    here = threading.get_ident()
    told = []

    def deliver(thread):
        told.append((thread != here, threading.get_ident() == here))
        return "delivered"

    assert await lane.run(threading.get_ident, deliver) == "delivered"
    assert told == [(True, True)]


async def test_one_thread_keeps_the_order(lane):
    done = []
    await asyncio.gather(
        *(lane.run(lambda number=number: done.append(number), same) for number in range(100))
    )
    assert done == list(range(100))


async def test_errors_come_back_and_the_thread_goes_on(lane):
    def fail():
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        await lane.run(fail, same)
    assert await lane.run(lambda: 1, same) == 1


async def test_what_was_taken_is_done_and_delivered_without_its_caller(lane):
    begun, go_on, delivered = threading.Event(), threading.Event(), asyncio.Event()

    def work():
        begun.set()
        go_on.wait(20)

    first = asyncio.create_task(lane.run(work, same))
    await asyncio.to_thread(begun.wait, 20)
    second = asyncio.create_task(lane.run(lambda: "done", lambda _: delivered.set()))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert second.cancelled()
    go_on.set()
    await asyncio.wait_for(delivered.wait(), 20)
    await first


def test_closing_finishes_what_there_is_even_for_a_loop_that_is_closed():
    lane = Lane("test", 1)
    go_on, done = threading.Event(), []

    async def leave():
        waiting = asyncio.create_task(lane.run(lambda: done.append(go_on.wait(20)), same))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    go_on.set()
    lane.close()
    assert done == [True]
