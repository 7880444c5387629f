"""Tokens: made once, shown once, stored as digests."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import or_, select

from dioptra_controller import paging
from dioptra_controller.access.caller import (
    BOOTSTRAP,
    CONTROLLER,
    EVERY_GROUP,
    Caller,
    Role,
    current,
)
from dioptra_controller.access.checks import check_group
from dioptra_controller.database.access_tables import TOKEN_ROLES, TOKENS
from dioptra_controller.database.statements import insert_if_new
from dioptra_controller.registry import names
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
)

PREFIX = "drt_"
"""So that a secret that leaked can be found and recognised."""

OPENID = "openid"
CERTIFICATE = "certificate"
"""Stand for a token where a caller comes with something else."""
RESERVED = frozenset({BOOTSTRAP.subject, CONTROLLER.subject})
LONGEST_LIFETIME = 10 * 366 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its secret; the fields are those of the proto message."""

    name: str
    subject: str
    roles: Mapping[str, Role]
    is_runner: bool
    creator: str
    create_time: dt.datetime
    expire_time: dt.datetime | None = None
    revoke_time: dt.datetime | None = None
    use_time: dt.datetime | None = None

    def is_valid(self, now: dt.datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoke_time is None and (self.expire_time is None or now < self.expire_time)

    @property
    def caller(self) -> Caller:
        """Who comes with it."""
        return Caller(
            subject=self.subject, roles=self.roles, is_runner=self.is_runner, token=self.name
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What token to make; lifetime 0 means for ever."""

    name: str
    subject: str
    roles: Mapping[str, Role]
    is_runner: bool
    lifetime_seconds: int


def digest_of(secret: str) -> str:
    """What is stored of a secret: it has 256 random bits, so no salt and no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(
    connection: sqlalchemy.Connection, request: TokenRequest, *, now: dt.datetime
) -> tuple[Token, str]:
    """Make a token; returns it with its secret, which is stored nowhere.

    Raises:
        InvalidRequestError: The name, subject or lifetime is not allowed, or it has no role.
        AlreadyExistsError: A token has or had the name.
        NotFoundError: There is no such group.
        PermissionDeniedError: The caller is not admin of all its groups.
    """
    _check(connection, request)
    secret = PREFIX + secrets.token_urlsafe(32)
    lifetime = dt.timedelta(seconds=request.lifetime_seconds)
    row = {
        "name": request.name,
        "subject": request.subject or request.name,
        "digest": digest_of(secret),
        "is_runner": request.is_runner,
        "creator": current().subject,
        "create_time": now,
        "expire_time": now + lifetime if lifetime else None,
    }
    token_id = insert_if_new(connection, TOKENS, row, unique=["name"])
    if token_id is None:
        raise AlreadyExistsError(f"there is, or was, a token {request.name!r}; choose another name")
    roles = [
        {"token_id": token_id, "group_name": group, "role": role.value}
        for group, role in request.roles.items()
    ]
    if roles:
        connection.execute(TOKEN_ROLES.insert(), roles)
    return get(connection, request.name), secret


def _check(connection: sqlalchemy.Connection, request: TokenRequest) -> None:
    names.check_name("token", request.name)
    if request.name in {OPENID, CERTIFICATE}:
        raise InvalidRequestError(f"token {request.name!r}: the name stands for something else")
    subject = request.subject or request.name
    names.check_name("subject", subject)
    if subject in RESERVED:
        raise InvalidRequestError(
            f"subject {subject!r} is the controller's own; choose another one"
        )
    if not request.roles and not request.is_runner:
        raise InvalidRequestError(
            f"token {request.name!r} has no role: name at least one, or make it one for runners"
        )
    if not 0 <= request.lifetime_seconds <= LONGEST_LIFETIME:
        raise InvalidRequestError(
            f"lifetime_seconds is {request.lifetime_seconds}; use 0 for ever, or up to "
            f"{LONGEST_LIFETIME}"
        )
    _require_power(request.roles, is_runner=request.is_runner)
    for group in request.roles:
        if group != EVERY_GROUP:
            check_group(connection, group)


def _require_power(roles: Mapping[str, Role], *, is_runner: bool) -> None:
    """Nobody gives, or takes away, what he is not admin of."""
    caller = current()
    # A runner's concerns all groups.
    for group in (*roles, EVERY_GROUP) if is_runner or not roles else roles:
        if not caller.has(Role.ADMIN, group):
            raise PermissionDeniedError(
                f"this needs the role admin in group {group!r}, which {caller.subject!r} has not",
                role="admin",
                group=group,
            )


def get(connection: sqlalchemy.Connection, name: str) -> Token:
    """Read a token that the caller may see.

    Raises:
        NotFoundError: There is none of that name.
    """
    query = select(TOKENS).where(TOKENS.c.name == name, _visible())
    found = _read(connection, connection.execute(query).all())
    if not found:
        raise NotFoundError(f"there is no token {name!r}", kind="token", name=name)
    return found[0]


def list_page(
    connection: sqlalchemy.Connection,
    page: paging.PageRequest,
    *,
    show_ended: bool,
    now: dt.datetime,
) -> paging.Page[Token]:
    """One page of the tokens that the caller may see, sorted by name."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "tokens", show_ended)
    query = select(TOKENS).where(_visible()).order_by(TOKENS.c.name).limit(size + 1)
    if not show_ended:
        expires = TOKENS.c.expire_time
        query = query.where(TOKENS.c.revoke_time.is_(None), or_(expires.is_(None), expires > now))
    if after is not None:
        query = query.where(TOKENS.c.name > after[0])
    found = _read(connection, connection.execute(query).all())
    return paging.slice_page(found, size, "tokens", show_ended, key=lambda row: [row.name])


def revoke(connection: sqlalchemy.Connection, name: str, *, now: dt.datetime) -> tuple[Token, str]:
    """End a token; returns it with its digest. Idempotent.

    Raises:
        NotFoundError: There is none of that name.
        PermissionDeniedError: The caller neither came with it nor could have made it.
    """
    token = get(connection, name)
    if token.name != current().token:
        _require_power(token.roles, is_runner=token.is_runner)
    table = TOKENS
    statement = table.update().where(table.c.name == name, table.c.revoke_time.is_(None))
    connection.execute(statement.values(revoke_time=now))
    query = select(table.c.digest).where(table.c.name == name)
    return get(connection, name), connection.execute(query).scalar_one()


def find(connection: sqlalchemy.Connection, digest: str) -> Token | None:
    """The token with this digest, whoever asks; one that has ended, too."""
    rows = connection.execute(select(TOKENS).where(TOKENS.c.digest == digest)).all()
    return next(iter(_read(connection, rows)), None)


def note_use(connection: sqlalchemy.Connection, name: str, now: dt.datetime) -> None:
    """Remember when a token was used last."""
    connection.execute(TOKENS.update().where(TOKENS.c.name == name).values(use_time=now))


def _visible() -> "sqlalchemy.ColumnElement[bool]":
    caller = current()
    if caller.is_global_admin:
        return sqlalchemy.true()
    groups = caller.list_groups(Role.ADMIN)
    administered = select(TOKEN_ROLES.c.token_id).where(TOKEN_ROLES.c.group_name.in_(groups))
    return or_(TOKENS.c.name == caller.token, TOKENS.c.id.in_(administered))


def _read(connection: sqlalchemy.Connection, rows: Sequence[Any]) -> list[Token]:
    query = select(TOKEN_ROLES).where(TOKEN_ROLES.c.token_id.in_([row.id for row in rows]))
    roles: dict[int, dict[str, Role]] = {}
    for one in connection.execute(query.order_by(TOKEN_ROLES.c.group_name)):
        roles.setdefault(one.token_id, {})[one.group_name] = Role(one.role)
    return [
        Token(
            name=row.name,
            subject=row.subject,
            roles=roles.get(row.id, {}),
            is_runner=row.is_runner,
            creator=row.creator,
            create_time=row.create_time,
            expire_time=row.expire_time,
            revoke_time=row.revoke_time,
            use_time=row.use_time,
        )
        for row in rows
    ]
