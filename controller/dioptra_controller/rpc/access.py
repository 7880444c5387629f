"""AccessService."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dioptra_controller.access import audit, groups, tokens
from dioptra_controller.access.caller import Role, current
from dioptra_controller.access.verifying import Verifier
from dioptra_controller.database.engine import Database
from dioptra_controller.paging import PageRequest
from dioptra_controller.rpc.encode import find_timestamp
from dioptra_ray.api.controller.v1 import access_service_pb2 as pb
from dioptra_ray.api.controller.v1 import access_service_pb2_grpc as pb_grpc
from dioptra_ray.errors import InvalidRequestError

_ROLES: Final[Mapping[Role, pb.Role.ValueType]] = {
    Role.VIEWER: pb.ROLE_VIEWER,
    Role.SUBMITTER: pb.ROLE_SUBMITTER,
    Role.PLUGIN_AUTHOR: pb.ROLE_PLUGIN_AUTHOR,
    Role.ADMIN: pb.ROLE_ADMIN,
}


class AccessServicer(pb_grpc.AccessServiceServicer):
    """Answers for tokens, groups and the audit log."""

    def __init__(self, database: Database, verifier: Verifier) -> None:
        self._database = database
        self._verifier = verifier

    async def GetCaller(self, request: pb.GetCallerRequest, context: Any) -> pb.GetCallerResponse:
        """Show the caller."""
        caller = current()
        return pb.GetCallerResponse(
            subject=caller.subject,
            token=caller.token,
            memberships=_write_roles(caller.roles),
            is_runner=caller.is_runner,
        )

    async def CreateToken(
        self, request: pb.CreateTokenRequest, context: Any
    ) -> pb.CreateTokenResponse:
        """Make one."""
        wanted = tokens.TokenRequest(
            name=request.name,
            subject=request.subject,
            roles=_read_roles(request.memberships),
            is_runner=request.is_runner,
            lifetime_seconds=request.lifetime_seconds,
        )
        made, secret = await self._database.write(tokens.create, wanted, now=_now())
        return pb.CreateTokenResponse(token=_write_token(made), secret=secret)

    async def ListTokens(
        self, request: pb.ListTokensRequest, context: Any
    ) -> pb.ListTokensResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(
            tokens.list_page, page, show_ended=request.show_ended, now=_now()
        )
        return pb.ListTokensResponse(
            tokens=map(_write_token, found.rows), next_page_token=found.next_token
        )

    async def RevokeToken(
        self, request: pb.RevokeTokenRequest, context: Any
    ) -> pb.RevokeTokenResponse:
        """End one."""
        revoked, digest = await self._database.write(tokens.revoke, request.name, now=_now())
        self._verifier.forget(digest)
        return pb.RevokeTokenResponse(token=_write_token(revoked))

    async def CreateGroup(
        self, request: pb.CreateGroupRequest, context: Any
    ) -> pb.CreateGroupResponse:
        """Make one."""
        made = await self._database.write(groups.create, request.name, request.description)
        return pb.CreateGroupResponse(group=_write_group(made))

    async def ListGroups(
        self, request: pb.ListGroupsRequest, context: Any
    ) -> pb.ListGroupsResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        found = await self._database.read(groups.list_page, page)
        return pb.ListGroupsResponse(
            groups=map(_write_group, found.rows), next_page_token=found.next_token
        )

    async def DeleteGroup(
        self, request: pb.DeleteGroupRequest, context: Any
    ) -> pb.DeleteGroupResponse:
        """Delete one."""
        await self._database.write(groups.delete, request.name)
        return pb.DeleteGroupResponse()

    async def ListAuditRecords(
        self, request: pb.ListAuditRecordsRequest, context: Any
    ) -> pb.ListAuditRecordsResponse:
        """Show a page of them."""
        page = PageRequest(size=request.page_size, token=request.page_token)
        wanted = audit.AuditFilter(
            subject=request.subject, method=request.method, outcome=request.outcome
        )
        found = await self._database.read(audit.list_page, page, wanted)
        return pb.ListAuditRecordsResponse(
            records=map(_write_record, found.rows), next_page_token=found.next_token
        )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _read_roles(memberships: Iterable[pb.Membership]) -> Mapping[str, Role]:
    roles: dict[str, Role] = {}
    for one in memberships:
        if one.group in roles:
            raise InvalidRequestError(f"group {one.group!r} is named twice; a token has one role")
        if one.role not in [role.value for role in Role]:
            raise InvalidRequestError(f"group {one.group!r}: there is no role {one.role}")
        roles[one.group] = Role(one.role)
    return roles


def _write_roles(roles: Mapping[str, Role]) -> list[pb.Membership]:
    return [pb.Membership(group=group, role=_ROLES[role]) for group, role in sorted(roles.items())]


def _write_token(token: tokens.Token) -> pb.Token:
    return pb.Token(
        name=token.name,
        subject=token.subject,
        memberships=_write_roles(token.roles),
        is_runner=token.is_runner,
        creator=token.creator,
        create_time=find_timestamp(token.create_time),
        expire_time=find_timestamp(token.expire_time),
        revoke_time=find_timestamp(token.revoke_time),
        use_time=find_timestamp(token.use_time),
    )


def _write_group(group: groups.Group) -> pb.Group:
    return pb.Group(
        name=group.name,
        description=group.description,
        create_time=find_timestamp(group.create_time),
    )


def _write_record(record: audit.AuditRecord) -> pb.AuditRecord:
    return pb.AuditRecord(
        id=record.id,
        time=find_timestamp(record.time),
        subject=record.subject,
        token=record.token,
        method=record.method,
        resource=record.resource,
        outcome=record.outcome,
        request_id=record.request_id,
        peer=record.peer,
    )
