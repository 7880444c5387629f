"""Callers: who asks, and with which roles in which groups. Pure values and one context variable.

The interceptor sets the caller of every call before anything else runs; threads of the database
inherit it. Where no call is under way (the scheduler, retention, a migration) the controller
itself acts, and may do anything.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum

EVERY_GROUP = "*"
DEFAULT_GROUP = "default"


class Role(IntEnum):
    """What a member of a group may do; each role may do all that the ones below it may."""

    VIEWER = 1
    SUBMITTER = 2
    PLUGIN_AUTHOR = 3
    ADMIN = 4

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a call.

    Attributes:
        subject: Who it is, for people and the audit log.
        roles: By group; "*" stands for every group.
        is_runner: Whether it may speak as a runner, which concerns the jobs of all groups.
        token: Name of the token that it came with; empty for the bootstrap token.
    """

    subject: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    is_runner: bool = False
    token: str = ""

    def find_role(self, group: str) -> Role | None:
        """The role in a group; None for a stranger."""
        found = [self.roles[name] for name in (group, EVERY_GROUP) if name in self.roles]
        return max(found, default=None)

    def has(self, role: Role, group: str) -> bool:
        """Whether the role in a group is at least this one."""
        found = self.find_role(group)
        return found is not None and found >= role

    @property
    def highest(self) -> Role | None:
        """The highest role in any group."""
        return max(self.roles.values(), default=None)

    @property
    def sees_everything(self) -> bool:
        """Whether the things of no group are hidden."""
        return EVERY_GROUP in self.roles

    @property
    def is_global_admin(self) -> bool:
        """Whether it is admin of every group, those to come included."""
        return self.roles.get(EVERY_GROUP) is Role.ADMIN

    def list_groups(self, role: Role) -> list[str]:
        """The groups in which it has at least this role by name, sorted."""
        return sorted(name for name, own in self.roles.items() if own >= role)


CONTROLLER = Caller(subject="controller", roles={EVERY_GROUP: Role.ADMIN}, is_runner=True)
"""The controller itself."""

BOOTSTRAP = Caller(subject="bootstrap", roles={EVERY_GROUP: Role.ADMIN}, is_runner=True)
"""Who has the token of the settings: admin of everything."""

_CALLER: ContextVar[Caller] = ContextVar("caller", default=CONTROLLER)


def current() -> Caller:
    """Who makes the call that is under way."""
    return _CALLER.get()


def act_as(caller: Caller) -> None:
    """From here on, in this task and all that it starts, `caller` acts."""
    _CALLER.set(caller)
