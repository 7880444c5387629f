"""`dioptra-controller`, also `python -m dioptra_controller`."""

import asyncio
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from dioptra_controller import __version__
from dioptra_ray.errors import DioptraError


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file of the same keys as the DIOPTRA_* variables, which win over it.",
)
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Run the controller: registry, scheduler and state behind one gRPC server.

    With a command, do that with its database instead.
    """
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    from dioptra_controller.observability import configure_logging  # noqa: PLC0415 - --help is quick
    from dioptra_controller.settings import load_settings  # noqa: PLC0415

    with _said():
        settings = load_settings(config)
        configure_logging(settings.log_level)
        from dioptra_controller.bootstrap import serve  # noqa: PLC0415

        asyncio.run(serve(settings))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(config: Path | None, file: Path) -> None:
    """Copy the SQLite database into FILE; the controller may be running.

    The copy is as of one moment. For PostgreSQL use pg_dump.
    """
    from dioptra_controller.database.backup import back_up  # noqa: PLC0415
    from dioptra_controller.settings import load_settings  # noqa: PLC0415

    with _said():
        size = back_up(load_settings(config).database_url.get_secret_value(), file)
        click.echo(f"{file}: {size} bytes; back up the artifact store after this, not before")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def restore(config: Path | None, file: Path) -> None:
    """Put the copy FILE in the place of the SQLite database; stop the controller before.

    The database of before is kept beside it.
    """
    from dioptra_controller.database.backup import restore as put_back  # noqa: PLC0415
    from dioptra_controller.settings import load_settings  # noqa: PLC0415

    with _said():
        before = put_back(load_settings(config).database_url.get_secret_value(), file)
        kept = "" if before is None else f"; what was there before is {before}"
        click.echo(f"{file} is restored{kept}. Start the controller, and restart all runners.")


@main.command()
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def prune(config: Path | None, style: str) -> None:
    """Delete now what the keep_* settings say is old; controllers may be running.

    They do the same every hour by themselves.
    """
    from dioptra_controller.bootstrap import prune as delete  # noqa: PLC0415
    from dioptra_controller.settings import load_settings  # noqa: PLC0415

    with _said():
        deleted = asyncio.run(delete(load_settings(config)))
        text = json.dumps(dataclasses.asdict(deleted)) if style == "json" else f"deleted {deleted}"
        click.echo(text)


@main.command()
@click.argument("revision")
@click.pass_obj
def downgrade(config: Path | None, revision: str) -> None:
    """Take the database back to the schema REVISION; stop all controllers before.

    For going back to an older version, whose release notes name its schema. What that version
    has no place for is deleted: make a backup first.
    """
    from dioptra_controller.bootstrap import downgrade as take_back  # noqa: PLC0415
    from dioptra_controller.settings import load_settings  # noqa: PLC0415

    with _said():
        take_back(load_settings(config), revision)
        click.echo(f"the database has schema {revision} now; start the older version")


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """Errors as one line, for people."""
    try:
        yield
    except DioptraError as error:
        click.echo(f"dioptra-controller: {error.message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
