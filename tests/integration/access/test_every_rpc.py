"""Every RPC of every service, called as every role, as a stranger, and as nobody."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dioptra_controller.access.rules import RULES
from dioptra_ray.errors import (
    AlreadyExistsError,
    DioptraError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from dioptra_ray.plugins.bundle import pack
from tests.integration.access.conftest import METHODS, PLUGIN, ROLES, SOURCE, World

Request = Mapping[str, Any]
Make = Callable[[World, str], tuple[Request, ...]]


@dataclass(frozen=True)
class Case:
    """How to call one method.

    Attributes:
        least: The least role in group red with which it works; "anybody" or "bootstrap".
        make: Its requests, for somebody; names that are made must not meet.
        below: What those get whose role is too low.
        stranger: What an admin of another group gets; None when it works for him.
        prepare: What bootstrap does before, for somebody.
    """

    least: str
    make: Make
    stranger: type[DioptraError] | None = None
    prepare: Callable[[World, str], tuple[str, Request]] | None = None
    below: type[DioptraError] = PermissionDeniedError


def fixed(**request: Any) -> Make:
    return lambda _world, _who: (request,)


def by_id(kind: str, **more: Any) -> Make:
    return lambda world, _who: ({"id": world.ids[kind], **more},)


def named(prefix: str, **more: Any) -> Make:
    return lambda _world, who: ({"name": f"{prefix}_{who}", **more},)


NOTHING = fixed()
RUN = {"entrypoint": "red_entry", "experiment": "red_experiment", "queue": "red_queue"}
GRID = {"dimensions": [{"parameter": "eps", "values": [{"number_value": 0.5}]}]}
RED = {"kind": "RESOURCE_KIND_PLUGIN", "name": "red_tools"}
DOOMED = "RESOURCE_KIND_EXPERIMENT"
PROJECT = b"""
[[plugin_param_types]]
name = "imported_type"
structure = { list = "integer" }
"""
CASES: Mapping[str, Case] = {
    "GetCaller": Case("anybody", NOTHING),
    "ListGroups": Case("anybody", NOTHING),
    "ListTokens": Case("anybody", NOTHING),
    "CreateToken": Case(
        "admin",
        named("token", memberships=[{"group": "red", "role": "ROLE_VIEWER"}]),
        PermissionDeniedError,
    ),
    "RevokeToken": Case(
        "admin",
        named("doomed_token"),
        NotFoundError,
        lambda _world, who: (
            "CreateToken",
            {
                "name": f"doomed_token_{who}",
                "memberships": [{"group": "red", "role": "ROLE_VIEWER"}],
            },
        ),
        below=NotFoundError,
    ),
    "CreateGroup": Case("bootstrap", named("group"), PermissionDeniedError),
    "DeleteGroup": Case(
        "bootstrap",
        named("doomed_group"),
        PermissionDeniedError,
        lambda _world, who: ("CreateGroup", {"name": f"doomed_group_{who}"}),
    ),
    "ListAuditRecords": Case("bootstrap", NOTHING, PermissionDeniedError),
    "GetArtifact": Case("viewer", by_id("artifact"), NotFoundError),
    "GetArtifactLineage": Case("viewer", by_id("artifact"), NotFoundError),
    "ListArtifacts": Case("viewer", NOTHING),
    "DownloadArtifact": Case("viewer", by_id("artifact"), NotFoundError),
    "CreateArtifactLinks": Case("viewer", by_id("artifact"), NotFoundError),
    "CollectGarbage": Case("bootstrap", fixed(dry_run=True), PermissionDeniedError),
    "UploadArtifact": Case(
        "submitter",
        lambda _world, who: (
            {"header": {"name": f"file_{who}", "basename": "a.txt", "group": "red"}},
            {"path": "a.txt"},
            {"content": b"a"},
        ),
        NotFoundError,
    ),
    "GetCluster": Case("viewer", NOTHING),
    "PutEntrypoint": Case(
        "plugin_author",
        named("entry", source=SOURCE, plugins=["red_tools"], group="red"),
        NotFoundError,
    ),
    "GetEntrypoint": Case("viewer", fixed(name="red_entry"), NotFoundError),
    "ListEntrypoints": Case("viewer", NOTHING),
    "SyncEntrypoint": Case("plugin_author", fixed(name="red_entry"), NotFoundError),
    "PutEntrypointDraft": Case(
        "plugin_author", fixed(name="red_draft", source=SOURCE), AlreadyExistsError
    ),
    "GetEntrypointDraft": Case("viewer", fixed(name="red_draft"), NotFoundError),
    "ListEntrypointDrafts": Case("viewer", NOTHING),
    "DeleteEntrypointDraft": Case(
        "plugin_author",
        named("doomed_draft"),
        NotFoundError,
        lambda _world, who: (
            "PutEntrypointDraft",
            {"name": f"doomed_draft_{who}", "source": SOURCE, "group": "red"},
        ),
    ),
    "PublishEntrypointDraft": Case(
        "plugin_author",
        named("ready_draft"),
        NotFoundError,
        lambda _world, who: (
            "PutEntrypointDraft",
            {
                "name": f"ready_draft_{who}",
                "source": SOURCE,
                "plugins": ["red_tools"],
                "group": "red",
            },
        ),
    ),
    "CreateExperiment": Case("submitter", named("experiment", group="red"), NotFoundError),
    "GetExperiment": Case("viewer", fixed(name="red_experiment"), NotFoundError),
    "ListExperiments": Case("viewer", NOTHING),
    "CreateJob": Case("submitter", fixed(**RUN), NotFoundError),
    "RetryJob": Case("submitter", by_id("job"), NotFoundError),
    "CancelJob": Case("submitter", by_id("job"), NotFoundError),
    "GetJob": Case("viewer", by_id("job"), NotFoundError),
    "ListJobs": Case("viewer", NOTHING),
    "WatchJob": Case("viewer", by_id("job"), NotFoundError),
    "WaitJob": Case("viewer", by_id("job", seconds=0.01), NotFoundError),
    "ListJobLogs": Case("viewer", by_id("job"), NotFoundError),
    "WatchJobLogs": Case("viewer", by_id("job"), NotFoundError),
    "ListJobMetrics": Case("viewer", by_id("job"), NotFoundError),
    "PutParameterType": Case(
        "plugin_author",
        fixed(name="red_type", structure_json='{"list": "number"}'),
        AlreadyExistsError,
    ),
    "GetParameterType": Case("viewer", fixed(name="red_type"), NotFoundError),
    "ListParameterTypes": Case("viewer", NOTHING),
    "PutPlugin": Case("plugin_author", fixed(name="red_tools", archive=PLUGIN), AlreadyExistsError),
    "GetPlugin": Case("viewer", fixed(name="red_tools"), NotFoundError),
    "ListPlugins": Case("viewer", NOTHING),
    "GetPluginFile": Case("viewer", fixed(name="red_tools", path="tasks.py"), NotFoundError),
    "PutPluginFile": Case(
        "plugin_author",
        lambda _world, who: ({"name": "red_tools", "path": f"by_{who}.py", "content": b"A = 1\n"},),
        NotFoundError,
    ),
    "DeletePluginFile": Case(
        "plugin_author",
        lambda _world, who: ({"name": "red_tools", "path": f"doomed_{who}.py"},),
        NotFoundError,
        lambda _world, who: (
            "PutPluginFile",
            {"name": "red_tools", "path": f"doomed_{who}.py", "content": b"A = 1\n"},
        ),
    ),
    "ListTasks": Case("viewer", NOTHING),
    "CreateQueue": Case("admin", named("queue", group="red"), NotFoundError),
    "UpdateQueue": Case(
        "admin",
        fixed(
            name="red_queue",
            queue={"description": "new"},
            update_mask={"paths": ["description"]},
        ),
        NotFoundError,
    ),
    "GetQueue": Case("viewer", fixed(name="red_queue"), NotFoundError),
    "ListQueues": Case("viewer", NOTHING),
    "ImportResources": Case(
        "plugin_author",
        lambda _world, _who: ({"archive": project(), "group": "red"},),
        NotFoundError,
    ),
    "UpdateResource": Case(
        "submitter",
        fixed(resource={"kind": DOOMED, "name": "red_experiment"}, description="new"),
        NotFoundError,
    ),
    "DeleteResource": Case(
        "admin",
        lambda _world, who: ({"resource": {"kind": DOOMED, "name": f"doomed_{who}"}},),
        NotFoundError,
        lambda _world, who: ("CreateExperiment", {"name": f"doomed_{who}", "group": "red"}),
    ),
    "ListSnapshots": Case("viewer", fixed(resource=RED), NotFoundError),
    "DiffSnapshots": Case("viewer", fixed(resource=RED), NotFoundError),
    "UpdateTags": Case("submitter", fixed(resource=RED, add=["red_tag"]), NotFoundError),
    "ListTags": Case("viewer", NOTHING),
    "ListTaggedResources": Case("viewer", fixed(tag="red_tag")),
    "CreateSweep": Case("submitter", fixed(**RUN, grid=GRID), NotFoundError),
    "CancelSweep": Case("submitter", by_id("sweep"), NotFoundError),
    "GetSweep": Case("viewer", by_id("sweep"), NotFoundError),
    "ListSweeps": Case("viewer", NOTHING),
    "WatchSweep": Case("viewer", by_id("sweep"), NotFoundError),
    "ListSweepResults": Case("viewer", by_id("sweep"), NotFoundError),
    "Connect": Case("runner", fixed(goodbye={}), PermissionDeniedError),
    "GetPlan": Case("runner", fixed(digest="sha256:none"), PermissionDeniedError),
}


def project() -> bytes:
    return pack({"dioptra.toml": PROJECT}).content


def test_the_table_has_every_method():
    assert CASES.keys() == METHODS.keys()
    names = {f"/{one.containing_service.full_name}/{one.name}" for one in METHODS.values()}
    assert names == {method for method in RULES if not method.startswith("/grpc.")}


# One world for all methods: making one takes longer than calling it.


async def test_methods_are_for_their_roles_only(world):
    problems = [
        (method, who, refused)
        for method, case in CASES.items()
        for who in (*ROLES, "runner", "bootstrap")
        if not fits(case, who, refused := await attempt(world, case, who, method))
    ]
    assert not problems


async def test_a_member_of_another_group_gets_nothing_of_this_one(world):
    who = "stranger"
    for method, case in CASES.items():
        answer = await attempt(world, case, who, method)
        if case.stranger is not None:
            assert type(answer) is case.stranger, (method, answer)
        else:
            assert isinstance(answer, list), (method, answer)
            assert "red" not in str(answer), (method, answer)


@pytest.mark.parametrize("who", ["nobody", "forger"])
async def test_nobody_gets_in(world, who):
    for method, case in CASES.items():
        error = await world.refusal(who, method, *case.make(world, who))
        assert isinstance(error, UnauthenticatedError), method


async def attempt(world: World, case: Case, who: str, method: str) -> list[Any] | DioptraError:
    """The responses, or why there are none."""
    if case.prepare is not None:
        await world.call("bootstrap", *case.prepare(world, who))
    try:
        return await world.call(who, method, *case.make(world, who))
    except DioptraError as error:
        return error


def fits(case: Case, who: str, answer: list[Any] | DioptraError) -> bool:
    if not may(who, case):
        return type(answer) is case.below
    if case.least == "runner":
        # What a runner says here makes no sense, but it is heard.
        return isinstance(answer, InvalidRequestError | NotFoundError)
    return isinstance(answer, list)


def may(who: str, case: Case) -> bool:
    if who == "bootstrap" or case.least == "anybody":
        return True
    if "runner" in (who, case.least):
        return who == case.least
    return case.least in ROLES and ROLES.index(who) >= ROLES.index(case.least)
