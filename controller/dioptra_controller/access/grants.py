"""Roles as settings write them: "GROUP:ROLE", such as "red:submitter", and "runner"."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dioptra_controller.access.caller import Role

RUNNER = "runner"
Grants = Mapping[str, Sequence[str]]
"""What each of some claims or certificates gives."""

_ROLES = {role.title: role for role in Role}


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """Roles by group, and whether to speak as a runner."""

    roles: Mapping[str, Role] = field(default_factory=dict)
    is_runner: bool = False

    def __bool__(self) -> bool:
        return bool(self.roles) or self.is_runner


def read_grants(grants: Iterable[str]) -> Powers:
    """Read what settings say; of two roles in one group the higher one counts.

    Raises:
        ValueError: One is none.
    """
    roles: dict[str, Role] = {}
    is_runner = False
    for grant in grants:
        if grant == RUNNER:
            is_runner = True
            continue
        group, colon, title = grant.rpartition(":")
        if not colon or not group or title not in _ROLES:
            raise ValueError(
                f"{grant!r} must be 'runner', or GROUP:ROLE with a role of {', '.join(_ROLES)}"
            )
        roles[group] = max(_ROLES[title], roles.get(group, Role.VIEWER))
    return Powers(roles=roles, is_runner=is_runner)


def combine(grants: Grants, names: Iterable[str]) -> Powers:
    """What all of some names give together."""
    return read_grants(grant for name in names for grant in grants.get(name, ()))
