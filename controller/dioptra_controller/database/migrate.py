"""Brings a database to the newest schema; called at every start of the controller."""

from pathlib import Path

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from dioptra_controller.database.engine import Database
from dioptra_ray.errors import PreconditionError

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


def _upgrade(connection: sqlalchemy.Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two controllers may start at once; the second waits here and finds nothing to do.
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
    scripts = ScriptDirectory(str(FOLDER))
    context = MigrationContext.configure(connection)
    present = context.get_current_revision()
    head = scripts.get_current_head()
    if present == head:
        return
    known = {script.revision for script in scripts.walk_revisions()}
    if present is not None and present not in known:
        raise PreconditionError(
            f"the database has schema {present}, which this version of dioptra-ray does not "
            "know: it was used by a newer one; install that, or use another database"
        )
    run_migrations(connection, scripts, "head")


def run_migrations(
    connection: sqlalchemy.Connection, scripts: ScriptDirectory, revision: str
) -> None:
    """Run the migrations up to `revision` on an open transaction."""
    from alembic.config import Config  # noqa: PLC0415 - only needed by what follows

    def steps(present: object, _context: object) -> list[object]:
        return scripts._upgrade_revs(revision, present)  # type: ignore[arg-type,return-value] # noqa: SLF001 - what alembic.command.upgrade does

    environment = EnvironmentContext(Config(), scripts, fn=steps)
    environment.configure(connection=connection, transactional_ddl=False)
    with environment:
        environment.run_migrations()
