"""Queues with environments, limits and priorities, on every database alike."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy

from dioptra_controller.registry import queues, resources
from dioptra_controller.registry.differences import diff_queues
from dioptra_controller.registry.listing import Listing
from dioptra_controller.registry.queues import Settings
from dioptra_controller.registry.snapshots import Outcome
from dioptra_ray.errors import InvalidRequestError, NotFoundError
from dioptra_ray.planning.environments import NOTHING, read_environment

GPU = Settings(
    description="the big ones",
    environment=read_environment(
        {
            "num_gpus": 0.5,
            "labels": {"zone": "b"},
            "runtime_env": {"env_vars": {"B": "é", "A": "1"}},
            "isolation": "process",
        }
    ),
    max_started_jobs=4,
    priority=-3,
)


def test_what_was_put_is_read_again(database):
    made = database.write_now(queues.create, "gpu", GPU)[0]
    assert made.settings == GPU
    assert database.read_now(queues.get, "gpu") == made
    assert database.read_now(queues.get_environment, "gpu") == GPU.environment
    assert [one.settings for one in database.read_now(queues.list_page, Listing()).rows] == [
        Settings(),
        GPU,
    ]
    with pytest.raises(NotFoundError, match="did you mean 'gpu'"):
        database.read_now(queues.get_environment, "gpus")


def test_a_snapshot_is_made_when_anything_differs(database):
    database.write_now(queues.create, "gpu", GPU)
    changes = [
        {"description": "other"},
        {"environment": NOTHING},
        {"max_started_jobs": 0},
        {"priority": 0},
    ]
    for number, change in enumerate(changes, 2):
        for outcome in (Outcome.UPDATED, Outcome.UNCHANGED):
            stored = database.write_now(
                queues.change, "gpu", lambda present, change=change: replace(present, **change)
            )[0]
            assert (stored.number, stored.outcome) == (number, outcome)
    found = database.read_now(queues.get, "gpu")
    assert (found.settings, found.number) == (Settings(description="other"), 5)
    old = database.read_now(queues.load_snapshot, "gpu", 1)
    assert old.settings == GPU
    named = {
        (one.part, one.name): (one.before, one.after)
        for one in diff_queues(old.settings, found.settings)
    }
    assert named == {
        ("description", ""): ("the big ones", "other"),
        ("max_started_jobs", ""): ("4", "0"),
        ("priority", ""): ("-3", "0"),
        ("environment", "isolation"): ("process", ""),
        ("environment", "labels"): ('{"zone": "b"}', ""),
        ("environment", "num_gpus"): ("0.5", ""),
        ("environment", "runtime_env.env_vars"): ('{"A": "1", "B": "é"}', ""),
    }


def test_describing_leaves_everything_else_as_it_is(database):
    database.write_now(queues.create, "gpu", GPU)
    number, changed = database.write_now(resources.describe, "queue", "gpu", "new")[0]
    assert (number, changed) == (2, True)
    assert database.read_now(queues.get, "gpu").settings == replace(GPU, description="new")


def test_changes_of_different_settings_do_not_undo_each_other(database):
    database.write_now(queues.create, "gpu", Settings())

    def change(number):
        field = ("max_started_jobs", "priority")[number % 2]
        new = {field: number + 1}
        database.write_now(queues.change, "gpu", lambda present: replace(present, **new))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(12)))
    found = database.read_now(queues.get, "gpu")
    assert found.number == 13
    assert found.settings.max_started_jobs % 2 == 1
    assert found.settings.priority % 2 == 0
    assert found.settings.priority > 0


def test_a_queue_of_the_time_before_environments_stays_what_it_was(database):
    with database.engine.connect() as connection:
        query = sqlalchemy.text("SELECT environment, max_started_jobs, priority, content_digest ")
        row = connection.execute(
            sqlalchemy.text(query.text + "FROM queue_snapshots WHERE queue_id = 1")
        ).one()
    assert tuple(row)[:3] == ("{}", 0, 0)
    stored = database.write_now(queues.put, "default", Settings())[0]
    assert stored.outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("name", ["*", "a,b", ""])
def test_names_that_runners_could_not_serve(database, name):
    with pytest.raises(InvalidRequestError):
        database.write_now(queues.create, name, Settings())


def test_everything_wrong_is_said_at_once(database):
    wrong = Settings(description="a\0", max_started_jobs=-1, priority=2**40)
    with pytest.raises(InvalidRequestError) as caught:
        database.write_now(queues.create, "a,b", wrong)
    for part in ("comma", "NUL", "max_started_jobs must be 0", "priority must be"):
        assert part in caught.value.message
