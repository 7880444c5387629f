"""Writes the next migration: `python -m dioptra_controller.database.revise "what changes"`.

For developers, after a change of the tables. What it writes is a draft: read it, and add
what moves data.
"""

import re
import tempfile
from pathlib import Path
from typing import Any, Literal

import click
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps
from alembic.script import ScriptDirectory
from sqlalchemy import types

from dioptra_controller.database.engine import Database
from dioptra_controller.database.migrate import FOLDER, upgrade
from dioptra_controller.database.tables import METADATA


@click.command()
@click.argument("message")
def main(message: str) -> None:
    """Write a migration from what the last one leaves to what the tables say."""
    scripts = ScriptDirectory(str(FOLDER))
    head = scripts.get_current_head()
    revision = f"{int(head or 0) + 1:04}"
    slug = re.sub(r"\W+", "_", message.lower()).strip("_")
    path = FOLDER / "versions" / f"{revision}_{slug}.py"
    down = "None" if head is None else f'"{head}"'
    path.write_text(_TEMPLATE.format(message=message, revision=revision, down=down, body=_diff()))
    click.echo(f"wrote {path}; format it, read it, and run tests/contract/database")


def _diff() -> str:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'empty.db'}")
        if any((FOLDER / "versions").glob("*.py")):
            upgrade(database)
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            operations = produce_migrations(context, METADATA).upgrade_ops
        database.close()
    return render_python_code(operations or UpgradeOps([]), render_item=_render)


def _render(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Types of ours as the plain types below them: a migration must not change with our code."""
    if kind == "type" and isinstance(item, types.TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


_TEMPLATE = '''"""{message}."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {body}
'''

if __name__ == "__main__":
    main()
