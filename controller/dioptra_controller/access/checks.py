"""Whether the present caller may see or change a thing of a group.

What a caller may not see does not exist for it; what it may see but not do is refused with the
role that it would need.
"""

import sqlalchemy

from dioptra_controller.access.caller import DEFAULT_GROUP, Role, current
from dioptra_controller.database.access_tables import GROUPS
from dioptra_ray.errors import InvalidRequestError, NotFoundError, PermissionDeniedError


def is_visible(group: str) -> bool:
    """Whether the caller may see the things of a group."""
    return current().find_role(group) is not None


def visible(group: "sqlalchemy.ColumnElement[str]") -> "sqlalchemy.ColumnElement[bool]":
    """The condition that the caller may see a row, by the column with its group."""
    caller = current()
    if caller.sees_everything:
        return sqlalchemy.true()
    return group.in_(caller.list_groups(Role.VIEWER))


def require(role: Role, group: str) -> None:
    """Refuse a caller who sees a thing of a group, but has too low a role there.

    Raises:
        PermissionDeniedError: It is too low.
    """
    caller = current()
    if caller.has(role, group):
        return
    own = caller.find_role(group)
    has = f"is {own.title} there" if own else "has none there"
    raise PermissionDeniedError(
        f"this needs the role {role.title} in group {group!r}; {caller.subject!r} {has}",
        role=role.title,
        group=group,
    )


def require_owner_or_admin(role: Role, group: str, owner: str) -> None:
    """Refuse who has neither made a thing, with the role for that, nor is admin of its group.

    Raises:
        PermissionDeniedError: The caller is neither.
    """
    is_own = bool(owner) and owner == current().subject
    require(role if is_own else Role.ADMIN, group)


def choose_group(connection: sqlalchemy.Connection, given: str, role: Role) -> str:
    """The group that something new will belong to.

    Args:
        connection: An open transaction.
        given: What the request says; empty for the caller's default.
        role: What is needed there.

    Raises:
        NotFoundError: There is no such group, or the caller is a stranger to it.
        PermissionDeniedError: The caller's role in it is too low.
        InvalidRequestError: No group is given, and the caller has several.
    """
    caller = current()
    if given:
        check_group(connection, given)
        require(role, given)
        return given
    if caller.has(role, DEFAULT_GROUP):
        return DEFAULT_GROUP
    groups = caller.list_groups(role)
    if len(groups) > 1:
        raise InvalidRequestError(f"say which group it shall belong to: {', '.join(groups)}")
    if not groups:
        raise PermissionDeniedError(
            f"this needs the role {role.title} in a group, and {caller.subject!r} has it in none",
            role=role.title,
        )
    return groups[0]


def check_group(connection: sqlalchemy.Connection, name: str) -> None:
    """Refuse a group that does not exist, or not for the caller.

    Raises:
        NotFoundError: It does not.
    """
    query = sqlalchemy.select(GROUPS.c.name).where(GROUPS.c.name == name)
    if not is_visible(name) or connection.execute(query).first() is None:
        raise NotFoundError(f"there is no group {name!r}", kind="group", name=name)
