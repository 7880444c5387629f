"""A database belongs to a store: another one must not silently orphan what lies in the first."""

import socket
from pathlib import Path

import pytest

from dioptra_controller.registry import plugins
from dioptra_ray.errors import InvalidRequestError, PreconditionError, UnavailableError
from dioptra_ray.project.model import ProjectPlugin

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def other(tmp_path: Path) -> str:
    return (tmp_path / "other").as_uri()


async def hold_a_plugin(controller, name: str = "lab") -> None:
    await controller.database.write(plugins.put, ProjectPlugin(name=name), DIGEST)


async def test_another_store_is_refused_once_something_lies_in_the_first(start_controller, other):
    first = await start_controller()
    await hold_a_plugin(first)
    await first.stop()
    with pytest.raises(PreconditionError) as caught:
        await start_controller(store_url=other)
    for part in ("1 plugin snapshot ", "--force-new-store", "--state-dir", other):
        assert part in caught.value.message
    await start_controller()


async def test_an_empty_database_may_move(start_controller, other):
    await (await start_controller()).stop()
    moved = await start_controller(store_url=other)
    await hold_a_plugin(moved)
    await moved.stop()
    with pytest.raises(PreconditionError):
        await start_controller()


async def test_a_new_store_can_be_forced_and_is_the_one_from_then_on(start_controller, other):
    first = await start_controller()
    await hold_a_plugin(first)
    await first.stop()
    forced = await start_controller(store_url=other, force_new_store=True)
    await hold_a_plugin(forced, "again")
    await forced.stop()
    with pytest.raises(PreconditionError, match=r"belongs to the artifact store .*/other"):
        await start_controller()
    await start_controller(store_url=other + "/")


async def test_the_way_back_is_open_while_the_new_store_is_empty(start_controller, other, tmp_path):
    first = await start_controller()
    await hold_a_plugin(first)
    await first.stop()
    await (await start_controller(store_url=other, force_new_store=True)).stop()
    await (await start_controller()).stop()
    third = (tmp_path / "third").as_uri()
    with pytest.raises(PreconditionError):
        await start_controller(store_url=third)


async def test_a_start_that_fails_remembers_no_store(start_controller, other, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises((InvalidRequestError, UnavailableError)):
        await start_controller(store_url=(tmp_path / "file" / "store").as_uri())
    first = await start_controller()
    await hold_a_plugin(first)
    await first.stop()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        listen = f"127.0.0.1:{busy.getsockname()[1]}"
        with pytest.raises(UnavailableError):
            await start_controller(store_url=other, force_new_store=True, listen=listen)
    await start_controller()
