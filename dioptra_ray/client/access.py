"""Tokens, groups, and who did what."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from dioptra_ray.api.controller.v1 import access_service_pb2 as pb
from dioptra_ray.api.controller.v1.access_service_pb2_grpc import AccessServiceStub
from dioptra_ray.client.connection import Connection
from dioptra_ray.client.paging import read_pages
from dioptra_ray.client.requests import make
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.access import (
    AuditRecord,
    Caller,
    Group,
    Token,
    read_audit_record,
    read_caller,
    read_group,
    read_token,
    write_roles,
)


class Tokens:
    """`client.tokens`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = AccessServiceStub(connection.channel)

    def create(
        self,
        name: str,
        *,
        roles: Mapping[str, str] | None = None,
        subject: str = "",
        runner: bool = False,
        lifetime: timedelta | None = None,
    ) -> tuple[Token, str]:
        """Make a token; returns it with its secret, which can never be read again.

        Args:
            name: A name that no token ever had.
            roles: By group: "viewer", "submitter", "plugin-author" or "admin"; the group "*"
                stands for all groups.
            subject: Who will use it; its name if not given.
            runner: Whether it is for runners.
            lifetime: For how long it is valid, in whole seconds; None for ever.

        Raises:
            AlreadyExistsError: There is, or was, a token of that name.
            PermissionDeniedError: You are not admin of all these groups.
        """
        seconds = 0 if lifetime is None else int(lifetime.total_seconds())
        if lifetime is not None and seconds < 1:
            raise InvalidRequestError("the lifetime of a token must be a second or more")
        request = make(
            pb.CreateTokenRequest,
            name=name,
            subject=subject,
            memberships=write_roles(roles or {}),
            is_runner=runner,
            lifetime_seconds=seconds,
        )
        response = self._connection.call(self._stub.CreateToken, request)
        return read_token(response.token), response.secret

    def list(self, *, ended: bool = False, limit: int | None = None) -> tuple[Token, ...]:
        """List the tokens that you may end, sorted by name.

        Args:
            ended: Those, too, that have expired or were revoked.
            limit: At most this many.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[Token], str]:
            request = make(pb.ListTokensRequest, page_size=size, page_token=token, show_ended=ended)
            page = self._connection.call(self._stub.ListTokens, request)
            return map(read_token, page.tokens), page.next_page_token

        return read_pages(fetch, limit=limit)

    def revoke(self, name: str) -> Token:
        """End a token.

        Raises:
            NotFoundError: There is no such token.
            PermissionDeniedError: You are not admin of all its groups.
        """
        request = make(pb.RevokeTokenRequest, name=name)
        return read_token(self._connection.call(self._stub.RevokeToken, request).token)

    def whoami(self) -> Caller:
        """Read who the controller takes you for."""
        return read_caller(self._connection.call(self._stub.GetCaller, make(pb.GetCallerRequest)))


class Groups:
    """`client.groups`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = AccessServiceStub(connection.channel)

    def create(self, name: str, *, description: str = "") -> Group:
        """Make a group.

        Raises:
            AlreadyExistsError: The name is taken.
            PermissionDeniedError: You are not admin of all groups.
        """
        request = make(pb.CreateGroupRequest, name=name, description=description)
        return read_group(self._connection.call(self._stub.CreateGroup, request).group)

    def list(self, *, limit: int | None = None) -> tuple[Group, ...]:
        """List the groups that you have a role in, sorted by name."""

        def fetch(size: int, token: str) -> tuple[Iterator[Group], str]:
            request = make(pb.ListGroupsRequest, page_size=size, page_token=token)
            page = self._connection.call(self._stub.ListGroups, request)
            return map(read_group, page.groups), page.next_page_token

        return read_pages(fetch, limit=limit)

    def delete(self, name: str) -> None:
        """Delete a group that nothing has ever belonged to.

        Raises:
            NotFoundError: There is no such group.
            PreconditionError: Something belongs to it, or has belonged to it.
        """
        self._connection.call(self._stub.DeleteGroup, make(pb.DeleteGroupRequest, name=name))


class Audit:
    """`client.audit`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = AccessServiceStub(connection.channel)

    def list(
        self,
        *,
        subject: str = "",
        method: str = "",
        outcome: str = "",
        limit: int | None = 50,
    ) -> tuple[AuditRecord, ...]:
        """List who did what, the newest first.

        Args:
            subject: Only of this one.
            method: Only of this method, such as "JobService/CreateJob".
            outcome: Only with this outcome: "ok", or a reason such as "PERMISSION_DENIED".
            limit: At most this many; None for all.

        Raises:
            PermissionDeniedError: You are not admin of all groups.
        """

        def fetch(size: int, token: str) -> tuple[Iterator[AuditRecord], str]:
            request = make(
                pb.ListAuditRecordsRequest,
                page_size=size,
                page_token=token,
                subject=subject,
                method=method,
                outcome=outcome,
            )
            page = self._connection.call(self._stub.ListAuditRecords, request)
            return map(read_audit_record, page.records), page.next_page_token

        return read_pages(fetch, limit=limit)
