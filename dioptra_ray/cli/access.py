"""`dioptra-ray token`, `group`, `audit` and `whoami`."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import NEW_FILE
from dioptra_ray.cli.target import Target, with_target

ROLES: Final = ("viewer", "submitter", "plugin-author", "admin")
_UNITS: Final = {"m": 60, "h": 3600, "d": 86400}


class _Membership(click.ParamType[tuple[str, str]]):
    name = "GROUP:ROLE"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        group, colon, role = value.rpartition(":")
        if not colon or not group or role not in ROLES:
            self.fail(f"{value!r} is not GROUP:ROLE with a role of {', '.join(ROLES)}", param, ctx)
        return group, role


class _Lifetime(click.ParamType[timedelta]):
    name = "TIME"

    def convert(
        self,
        value: str | timedelta,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        number, unit = value[:-1], value[-1:]
        if not (number.isascii() and number.isdigit() and int(number) and unit in _UNITS):
            self.fail(f"{value!r} is no time such as 30d, 12h or 90m", param, ctx)
        return timedelta(seconds=min(int(number), 10**6) * _UNITS[unit])


@click.group()
def token() -> None:
    """Tokens: what callers of the controller show."""


@token.command("create")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    type=_Membership(),
    multiple=True,
    help=f"Role in a group: {', '.join(ROLES)}; the group '*' stands for all. May be repeated.",
)
@click.option("--runner", is_flag=True, help="It is for runners.")
@click.option("--subject", default="", help="Who will use it; its name if not given.")
@click.option("--expires", type=_Lifetime(), help="After which time it ends: 30d, 12h, 90m.")
@click.option(
    "--secret-file",
    type=NEW_FILE,
    help="Write the secret there, readable by you alone, instead of showing it.",
)
@with_target
@with_output
def create_token(  # noqa: PLR0913 - one argument an option
    *,
    name: str,
    roles: tuple[tuple[str, str], ...],
    runner: bool,
    subject: str,
    expires: timedelta | None,
    secret_file: Path | None,
    target: Target,
    output: Output,
) -> None:
    """Make a token. Its secret is shown once and can never be read again."""
    if len({group for group, _ in roles}) < len(roles):
        raise click.UsageError("--role names a group twice: a token has one role in a group")
    # Before the token is made: a secret that cannot be written is lost.
    descriptor = None
    if secret_file is not None:
        descriptor = os.open(secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with target.connect() as client:
            made, secret = client.tokens.create(
                name, roles=dict(roles), subject=subject, runner=runner, lifetime=expires
            )
    except BaseException:
        if descriptor is not None and secret_file is not None:
            os.close(descriptor)
            secret_file.unlink()
        raise
    if descriptor is not None:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
    if output.is_json:
        output.json({"token": made, "secret": None if secret_file else secret})
        return
    output.note(f"token {made.name}: keep the secret, it is not shown again")
    output.line(f"written to {secret_file}" if secret_file else secret)


@token.command("list")
@click.option("--ended", is_flag=True, help="Also those that have expired or were revoked.")
@with_target
@with_output
def list_tokens(*, ended: bool, target: Target, output: Output) -> None:
    """List the tokens that you may end."""
    with target.connect() as client:
        found = client.tokens.list(ended=ended)
    if output.is_json:
        output.json(found)
        return
    rows = [
        (
            one.name,
            one.subject,
            ", ".join([f"{group}:{role}" for group, role in one.roles.items()])
            or ("runner" if one.is_runner else None),
            one.created,
            one.expires,
            one.used,
            one.revoked,
        )
        for one in found
    ]
    output.table(["token", "subject", "roles", "created", "expires", "used", "revoked"], rows)


@token.command("revoke")
@click.argument("name")
@with_target
@with_output
def revoke_token(name: str, target: Target, output: Output) -> None:
    """End a token."""
    with target.connect() as client:
        found = client.tokens.revoke(name)
    if output.is_json:
        output.json(found)
    else:
        output.line(f"token {found.name} is revoked")


@click.command()
@with_target
@with_output
def whoami(target: Target, output: Output) -> None:
    """Show who you are to the controller."""
    with target.connect() as client:
        caller = client.tokens.whoami()
    if output.is_json:
        output.json(caller)
        return
    roles = [f"{group}:{role}" for group, role in caller.roles.items()]
    if caller.is_runner:
        roles.append("runner")
    output.fields(
        {"subject": caller.subject, "token": caller.token, "roles": ", ".join(roles) or "none"}
    )


@click.group()
def group() -> None:
    """Groups: what things belong to, and what roles are held in."""


@group.command("create")
@click.argument("name")
@click.option("--description", default="", help="Free text.")
@with_target
@with_output
def create_group(name: str, description: str, target: Target, output: Output) -> None:
    """Make a group."""
    with target.connect() as client:
        made = client.groups.create(name, description=description)
    if output.is_json:
        output.json(made)
    else:
        output.line(f"group {made.name}")


@group.command("list")
@with_target
@with_output
def list_groups(target: Target, output: Output) -> None:
    """List the groups that you have a role in."""
    with target.connect() as client:
        found = client.groups.list()
    if output.is_json:
        output.json(found)
    else:
        rows = [(one.name, one.created, one.description) for one in found]
        output.table(["group", "created", "description"], rows)


@group.command("delete")
@click.argument("name")
@with_target
@with_output
def delete_group(name: str, target: Target, output: Output) -> None:
    """Delete a group that nothing has ever belonged to."""
    with target.connect() as client:
        client.groups.delete(name)
    if output.is_json:
        output.json({"group": name, "deleted": True})
    else:
        output.line(f"group {name} is deleted")


@click.group()
def audit() -> None:
    """Who did what."""


@audit.command("list")
@click.option("--subject", default="", help="Only what this one did.")
@click.option("--method", default="", help="Only this method, such as JobService/CreateJob.")
@click.option("--outcome", default="", help="Only with this outcome: ok, PERMISSION_DENIED, ...")
@click.option("--limit", type=click.IntRange(min=1), default=50, help="At most this many.")
@with_target
@with_output
def list_audit(  # noqa: PLR0913 - one argument an option
    *, subject: str, method: str, outcome: str, limit: int, target: Target, output: Output
) -> None:
    """List who did what, the newest first."""
    with target.connect() as client:
        found = client.audit.list(subject=subject, method=method, outcome=outcome, limit=limit)
    if output.is_json:
        output.json(found)
        return
    rows = [
        (one.time, one.subject, one.method, one.resource, one.outcome, one.request_id, one.peer)
        for one in found
    ]
    output.table(["time", "subject", "method", "resource", "outcome", "request id", "peer"], rows)
