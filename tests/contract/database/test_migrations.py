from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from dioptra_controller.database.migrate import (
    FOLDER,
    check_newest,
    downgrade,
    run_migrations,
    upgrade,
)
from dioptra_controller.database.tables import METADATA
from dioptra_ray.errors import InvalidRequestError, PreconditionError
from tests.contract.database import filling


def test_the_migrated_schema_is_the_metadata(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, METADATA) == []


def test_indexes_are_as_the_metadata_says(database):
    """What the comparison above does not look at: the conditions of partial indexes."""
    fresh = sqlalchemy.create_engine("sqlite://")
    METADATA.create_all(fresh)
    query = sqlalchemy.text(
        "SELECT name, lower(sql) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if database.is_sqlite
        else "SELECT indexname, lower(indexdef) FROM pg_indexes WHERE schemaname = 'public'"
    )
    with database.engine.connect() as connection:
        found = dict(tuple(row) for row in connection.execute(query))
    expected = {index.name: index for table in METADATA.tables.values() for index in table.indexes}
    assert expected.keys() <= found.keys()
    dialect = "sqlite" if database.is_sqlite else "postgresql"
    for name, index in expected.items():
        partial = index.dialect_options[dialect].get("where") is not None
        assert (" where " in found[name]) == partial, name
    fresh.dispose()


def test_an_upgrade_makes_the_default_names_once(database):
    upgrade(database)
    for table in ("experiments", "queues"):
        query = sqlalchemy.text(f"SELECT name FROM {table}")
        with database.engine.connect() as connection:
            assert connection.execute(query).scalars().all() == ["default"]


def test_controllers_may_upgrade_at_the_same_time(open_database):
    databases = [open_database() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, databases))
    with databases[0].engine.connect() as connection:
        count = connection.execute(sqlalchemy.text("SELECT count(*) FROM queues")).scalar_one()
    assert count == 1


def test_a_failed_upgrade_leaves_nothing(empty_database, monkeypatch):
    def explode(*_arguments, **_options):
        raise RuntimeError("half-way")

    # The last thing that the first revision does is to insert the default names.
    monkeypatch.setattr("alembic.op.bulk_insert", explode)
    with pytest.raises(RuntimeError, match="half-way"):
        upgrade(empty_database)
    assert sqlalchemy.inspect(empty_database.engine).get_table_names() == []


def test_a_newer_schema_is_refused(database):
    with database.engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(PreconditionError, match="9999"):
        upgrade(database)


SCRIPTS = ScriptDirectory(str(FOLDER))
REVISIONS = [script.revision for script in SCRIPTS.walk_revisions()][::-1]


def test_every_migration_has_a_way_back():
    for script in SCRIPTS.walk_revisions():
        assert script.revision == REVISIONS[0] or hasattr(script.module, "downgrade")


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_a_revision_holds_survives_the_way_forward_and_back(empty_database, revision):
    database = empty_database
    database.write_now(lambda connection: run_migrations(connection, SCRIPTS, revision))
    database.write_now(filling.fill)
    before = database.read_now(filling.read)
    assert all(before.values())

    upgrade(database)
    newest = database.read_now(filling.read)
    assert filling.same_columns(newest, before) == before

    downgrade(database, revision)
    assert database.read_now(filling.read) == before

    upgrade(database)
    again = database.read_now(filling.read)
    _without_times(newest)
    _without_times(again)
    assert again == newest
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def _without_times(content):
    # Made by the migration, each time anew.
    for row in content["groups"]:
        if row["name"] == "default":
            del row["create_time"]


def test_a_way_back_that_there_is_not_changes_nothing(database):
    for revision in ("9999", "", "head"):
        with pytest.raises(InvalidRequestError, match=REVISIONS[0]):
            downgrade(database, revision)
    database.read_now(check_newest)
    downgrade(database, REVISIONS[-2])
    with pytest.raises(PreconditionError, match=REVISIONS[-1]):
        database.read_now(check_newest)
    with pytest.raises(InvalidRequestError):
        downgrade(database, REVISIONS[-1])
