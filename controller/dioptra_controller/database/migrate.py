"""Brings a database to the newest schema; called at every start of the controller."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from dioptra_controller.database.engine import Database
from dioptra_ray.errors import InvalidRequestError, PreconditionError

FOLDER = Path(__file__).parent / "migrations"

# Any number will do, as long as every controller of a database uses the same.
_LOCK = 7_204_117_530


def upgrade(database: Database) -> None:
    """Run the migrations that the database lacks, in one transaction.

    Raises:
        PreconditionError: The database was made by a newer version of dioptra-ray.
        UnavailableError: The database does not answer.
    """
    database.write_now(_upgrade)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`, in one transaction: to run an older version again.

    What only newer schemas can hold is deleted with its columns and tables.

    Raises:
        InvalidRequestError: There is no such revision, or it is newer than the present one.
        PreconditionError: The database was made by a newer version of dioptra-ray.
        UnavailableError: The database does not answer.
    """
    database.write_now(_downgrade, revision)


def check_newest(connection: sqlalchemy.Connection) -> None:
    """See that the database has the newest schema.

    Raises:
        PreconditionError: It has another one.
    """
    present = MigrationContext.configure(connection).get_current_revision()
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    if present != head:
        raise PreconditionError(
            f"the database has schema {present or 'none'}, but this version of dioptra-ray wants "
            f"{head}; start a controller of this version first, which brings it there"
        )


def _upgrade(connection: sqlalchemy.Connection) -> None:
    scripts, present = _look(connection)
    if present != scripts.get_current_head():
        run_migrations(connection, scripts, "head")


def _downgrade(connection: sqlalchemy.Connection, revision: str) -> None:
    scripts, present = _look(connection)
    known = [script.revision for script in scripts.walk_revisions()]
    # The newest comes first.
    older = known[known.index(present) :] if present else []
    if revision not in older:
        names = ", ".join(reversed(older)) or "none"
        raise InvalidRequestError(
            f"there is no way back to schema {revision!r} from {present or 'none'}; choose one of "
            f"{names}"
        )

    def steps(present: object, _context: object) -> list[object]:
        return scripts._downgrade_revs(revision, present)  # type: ignore[arg-type,return-value] # noqa: SLF001 - what alembic.command.downgrade does

    _run(connection, scripts, steps)


def _look(connection: sqlalchemy.Connection) -> tuple[ScriptDirectory, str | None]:
    """The migrations, and the last one that the database has had."""
    if connection.dialect.name == "postgresql":
        # Two controllers may start at once; the second waits here and finds nothing to do.
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
    scripts = ScriptDirectory(str(FOLDER))
    present = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if present is not None and present not in known:
        raise PreconditionError(
            f"the database has schema {present}, which this version of dioptra-ray does not "
            "know: it was used by a newer one; install that, or use another database"
        )
    return scripts, present


def run_migrations(
    connection: sqlalchemy.Connection, scripts: ScriptDirectory, revision: str
) -> None:
    """Run the migrations up to `revision` on an open transaction."""

    def steps(present: object, _context: object) -> list[object]:
        return scripts._upgrade_revs(revision, present)  # type: ignore[arg-type,return-value] # noqa: SLF001 - what alembic.command.upgrade does

    _run(connection, scripts, steps)


def _run(
    connection: sqlalchemy.Connection,
    scripts: ScriptDirectory,
    steps: Callable[[object, object], list[object]],
) -> None:
    from alembic.config import Config  # noqa: PLC0415 - only needed by what follows

    environment = EnvironmentContext(Config(), scripts, fn=steps)
    environment.configure(connection=connection, transactional_ddl=False)
    with environment:
        environment.run_migrations()
