"""Tokens, groups and the audit log as the client knows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dioptra_ray.api.controller.v1 import access_service_pb2 as pb
from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.wire.times import find_time

ROLES: Final[Mapping[str, pb.Role.ValueType]] = {
    "viewer": pb.ROLE_VIEWER,
    "submitter": pb.ROLE_SUBMITTER,
    "plugin-author": pb.ROLE_PLUGIN_AUTHOR,
    "admin": pb.ROLE_ADMIN,
}
"""The lowest first: each may do all that the ones before it may."""
_NAMES: Final = {number: name for name, number in ROLES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who one is to the controller.

    Attributes:
        subject: Who it is.
        token: Name of the token; empty for the controller's own one.
        roles: By group; "*" stands for all groups.
        is_runner: Whether it may speak as a runner.
    """

    subject: str
    token: str
    roles: Mapping[str, str]
    is_runner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its secret.

    Attributes:
        name: Its name, for ever.
        subject: Who uses it.
        roles: By group; "*" stands for all groups.
        is_runner: Whether it is for runners.
        creator: Who made it.
        created: When it was made.
        expires: When it ends by itself; None for never.
        revoked: When it was revoked, if it was.
        used: When it was used last, to about a minute; None if never.
    """

    name: str
    subject: str
    roles: Mapping[str, str]
    is_runner: bool
    creator: str
    created: datetime | None
    expires: datetime | None
    revoked: datetime | None
    used: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What things belong to, and what roles are held in."""

    name: str
    description: str
    created: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One thing that somebody did, or was refused.

    Attributes:
        id: Numbers grow with time.
        time: When.
        subject: Who.
        token: Name of the token; empty for the controller's own one.
        method: Service and method, such as "JobService/CreateJob".
        resource: What it was done to, as far as the request says.
        outcome: "ok", or the reason of the refusal, such as "PERMISSION_DENIED".
        request_id: Of the call, as in the controller's log.
        peer: Network address of the caller.
    """

    id: int
    time: datetime | None
    subject: str
    token: str
    method: str
    resource: str
    outcome: str
    request_id: str
    peer: str


def write_roles(roles: Mapping[str, str]) -> list[pb.Membership]:
    """Write roles by group.

    Raises:
        InvalidRequestError: There is no such role.
    """
    for group, role in roles.items():
        if role not in ROLES:
            raise InvalidRequestError(
                f"there is no role {role!r} (in group {group!r}): use one of {', '.join(ROLES)}"
            )
    return [pb.Membership(group=group, role=ROLES[role]) for group, role in sorted(roles.items())]


def read_caller(message: pb.GetCallerResponse) -> Caller:
    """Read the caller."""
    return Caller(
        subject=message.subject,
        token=message.token,
        roles=_read_roles(message.memberships),
        is_runner=message.is_runner,
    )


def read_token(message: pb.Token) -> Token:
    """Read a token."""
    return Token(
        name=message.name,
        subject=message.subject,
        roles=_read_roles(message.memberships),
        is_runner=message.is_runner,
        creator=message.creator,
        created=find_time(message, "create_time"),
        expires=find_time(message, "expire_time"),
        revoked=find_time(message, "revoke_time"),
        used=find_time(message, "use_time"),
    )


def read_group(message: pb.Group) -> Group:
    """Read a group."""
    return Group(
        name=message.name,
        description=message.description,
        created=find_time(message, "create_time"),
    )


def read_audit_record(message: pb.AuditRecord) -> AuditRecord:
    """Read a record of the audit log."""
    return AuditRecord(
        id=message.id,
        time=find_time(message, "time"),
        subject=message.subject,
        token=message.token,
        method=message.method,
        resource=message.resource,
        outcome=message.outcome,
        request_id=message.request_id,
        peer=message.peer,
    )


def _read_roles(memberships: Iterable[pb.Membership]) -> dict[str, str]:
    # A newer controller may know more roles.
    return {one.group: _NAMES.get(one.role, str(one.role)) for one in memberships}
