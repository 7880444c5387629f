"""Tokens in their lives, over the wire and in the database."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy
from google.protobuf.json_format import MessageToDict

from dioptra_controller.access import verifying
from dioptra_controller.access.caller import CONTROLLER, Caller, Role, act_as, current
from dioptra_controller.access.verifying import Verifier
from dioptra_controller.bootstrap import Controller
from dioptra_controller.database.engine import Database
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

VIEWER = [{"group": "red", "role": "ROLE_VIEWER"}]


async def test_a_token_is_recognisable_and_its_secret_is_stored_nowhere(world, settings):
    (made,) = await world.call("admin", "CreateToken", {"name": "mine", "memberships": VIEWER})
    assert made.secret.startswith("drt_")
    assert len(made.secret) >= 4 + 43  # 256 bits
    path = settings.database_url.get_secret_value().removeprefix("sqlite:///")
    for suffix in ("", "-wal"):
        assert made.secret.encode() not in read_bytes(path + suffix)


async def test_a_caller_learns_who_it_is(world):
    (caller,) = await world.call("submitter", "GetCaller", {})
    assert MessageToDict(caller) == {
        "subject": "submitter",
        "token": "submitter",
        "memberships": [{"group": "red", "role": "ROLE_SUBMITTER"}],
    }
    (caller,) = await world.call("bootstrap", "GetCaller", {})
    assert MessageToDict(caller) == {
        "subject": "bootstrap",
        "memberships": [{"group": "*", "role": "ROLE_ADMIN"}],
        "isRunner": True,
    }


async def test_a_revoked_token_opens_nothing_any_more(world):
    await world.call("viewer", "GetCaller", {})  # it is remembered
    await world.call("admin", "RevokeToken", {"name": "viewer"})
    error = await world.refusal("viewer", "GetCaller", {})
    assert isinstance(error, UnauthenticatedError)
    assert "revoked" in error.message
    await world.call("admin", "RevokeToken", {"name": "viewer"})  # idempotent
    again = await world.refusal("admin", "CreateToken", {"name": "viewer", "memberships": VIEWER})
    assert isinstance(again, AlreadyExistsError)


async def test_a_caller_may_end_its_own_token(world):
    await world.call("viewer", "RevokeToken", {"name": "viewer"})
    assert isinstance(await world.refusal("viewer", "GetCaller", {}), UnauthenticatedError)


async def test_another_controller_hears_of_a_revocation(world, controller):
    seconds = 0.0
    other = Verifier(controller.database, "bootstrap", clock=lambda: seconds)
    bearer = f"Bearer {world.secrets['viewer']}"
    assert (await other.identify(bearer)).subject == "viewer"
    await world.call("admin", "RevokeToken", {"name": "viewer"})
    seconds = verifying.FRESH_SECONDS
    with pytest.raises(UnauthenticatedError, match="revoked"):
        await other.identify(bearer)
    await other.close()


async def test_the_database_is_asked_once_for_many_calls(world, controller, monkeypatch):
    asked = []
    read = Database.read

    async def count(self, function, *args, **kwargs):
        asked.append(function.__name__)
        return await read(self, function, *args, **kwargs)

    verifier = Verifier(controller.database, "bootstrap", clock=lambda: 0.0)
    monkeypatch.setattr(Database, "read", count)
    for _ in range(100):
        await verifier.identify(f"Bearer {world.secrets['viewer']}")
        await verifier.identify("Bearer bootstrap")
        with pytest.raises(UnauthenticatedError):
            await verifier.identify("Bearer drt_wrong")
    await verifier.close()
    assert asked == ["find", "find"]  # for the good one and the wrong one


async def test_an_expired_token_opens_nothing(world, controller):
    await world.make_token("brief", [("red", "viewer")], lifetime_seconds=3600)
    (listed,) = await world.call("bootstrap", "ListTokens", {})
    assert "brief" in [one.name for one in listed.tokens]
    with controller.database.engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE tokens SET expire_time = 1 WHERE name='brief'"))
    error = await world.refusal("brief", "GetCaller", {})
    assert isinstance(error, UnauthenticatedError)
    assert "expired" in error.message
    (listed,) = await world.call("bootstrap", "ListTokens", {})
    assert "brief" not in [one.name for one in listed.tokens]
    (listed,) = await world.call("bootstrap", "ListTokens", {"show_ended": True})
    assert "brief" in [one.name for one in listed.tokens]


async def test_the_last_use_is_noted(world, controller: Controller):
    await world.call("viewer", "GetCaller", {})
    assert controller._verifier is not None
    await controller._verifier.close()
    (listed,) = await world.call("bootstrap", "ListTokens", {})
    used = {one.name: one.HasField("use_time") for one in listed.tokens}
    assert used["viewer"]
    assert not used["submitter"]


async def test_nobody_gives_more_than_he_has(world):
    for request in (
        {"memberships": [{"group": "blue", "role": "ROLE_VIEWER"}]},
        {"memberships": [{"group": "*", "role": "ROLE_VIEWER"}]},
        {"memberships": VIEWER, "is_runner": True},
    ):
        error = await world.refusal("admin", "CreateToken", {"name": "more", **request})
        assert isinstance(error, PermissionDeniedError), request
    named = {"name": "else", "subject": "bootstrap", "memberships": VIEWER}
    assert isinstance(await world.refusal("admin", "CreateToken", named), InvalidRequestError)
    empty = await world.refusal("bootstrap", "CreateToken", {"name": "none"})
    assert isinstance(empty, InvalidRequestError)
    lost = {"name": "lost", "memberships": [{"group": "green", "role": "ROLE_VIEWER"}]}
    assert isinstance(await world.refusal("bootstrap", "CreateToken", lost), NotFoundError)


async def test_an_admin_sees_and_ends_the_tokens_of_his_groups_only(world):
    (listed,) = await world.call("admin", "ListTokens", {})
    assert [one.name for one in listed.tokens] == sorted(
        ("viewer", "submitter", "plugin_author", "admin")
    )
    (listed,) = await world.call("viewer", "ListTokens", {})
    assert [one.name for one in listed.tokens] == ["viewer"]
    error = await world.refusal("stranger", "RevokeToken", {"name": "viewer"})
    assert isinstance(error, NotFoundError)


async def test_a_group_with_something_in_it_stays(world):
    error = await world.refusal("bootstrap", "DeleteGroup", {"name": "red"})
    assert isinstance(error, PreconditionError)
    await world.call("bootstrap", "DeleteGroup", {"name": "blue"})
    (listed,) = await world.call("bootstrap", "ListGroups", {})
    assert [one.name for one in listed.groups] == ["default", "red"]
    (listed,) = await world.call("admin", "ListGroups", {})
    assert [one.name for one in listed.groups] == ["red"]


async def test_the_threads_of_the_database_act_for_the_caller(controller):
    anna = Caller(subject="anna", roles={"red": Role.VIEWER})

    async def ask() -> list[Caller]:
        act_as(anna)
        read = await controller.database.read(lambda _connection: current())
        written = await controller.database.write(lambda _connection: current())
        return [read, written]

    assert await asyncio.create_task(ask()) == [anna, anna]
    assert await controller.database.read(lambda _connection: current()) is CONTROLLER


def read_bytes(path: str) -> bytes:
    return Path(path).read_bytes()
