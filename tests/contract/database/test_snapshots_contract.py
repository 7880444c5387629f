"""Snapshots, deletion, lists, tags and drafts, on every database alike."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from dioptra_controller.artifacts import catalog, deletion, usage
from dioptra_controller.database.registry_tables import QUEUES
from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import (
    drafts,
    entrypoints,
    experiments,
    parameter_types,
    plugins,
    queues,
    resources,
    tags,
)
from dioptra_controller.registry.listing import Listing
from dioptra_controller.registry.snapshots import Mode
from dioptra_ray.errors import AlreadyExistsError, NotFoundError
from dioptra_ray.project.model import ProjectPlugin, ProjectType

ORDERS = ("name", "name desc", "create_time", "create_time desc")


def put_type(database, name, structure=None, mode=Mode.UPSERT):
    declared = ProjectType(name=name, structure=structure)
    return database.write_now(parameter_types.put, declared, mode=mode)[0]


def put_plugin(database, name, digest):
    plugin = ProjectPlugin(name=name, files={"t.py": b""})
    stored = database.write_now(plugins.put, plugin, digest)[0]
    return entrypoints.PluginPin(
        snapshot_id=stored.id, name=name, number=stored.number, digest=digest
    )


def test_numbers_go_on_after_a_deletion(database):
    for structure in ({"list": "any"}, {"list": "string"}):
        put_type(database, "t", structure)
    database.write_now(resources.delete, "parameter_type", "t")
    again = put_type(database, "t", {"list": "string"})
    assert (again.number, again.outcome) == (3, "created")
    old = database.read_now(parameter_types.load_snapshot, "t", 1, deleted=True)
    assert (old.structure, old.delete_time is None) == ({"list": "any"}, False)
    with pytest.raises(NotFoundError, match="has no snapshot 1"):
        database.read_now(parameter_types.load_snapshot, "t", 1)
    history = database.read_now(resources.list_history, "parameter_type", "t", PageRequest(size=2))
    assert [one.number for one in history.rows] == [3, 2]
    page = PageRequest(size=2, token=history.next_token)
    rest = database.read_now(resources.list_history, "parameter_type", "t", page)
    assert [(one.number, rest.next_token) for one in rest.rows] == [(1, "")]


def test_modes_hold_when_many_create_at_once(database):
    def create(_):
        try:
            return put_type(database, "t", mode=Mode.CREATE).number
        except AlreadyExistsError:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create, range(16)))
    assert sorted(made, key=str) == [1] + [None] * 15
    with pytest.raises(NotFoundError):
        put_type(database, "other", mode=Mode.UPDATE)


def test_deleting_and_putting_at_once_leaves_one_history(database):
    def change(number):
        if number % 3 == 0:
            try:
                database.write_now(resources.delete, "parameter_type", "t")
            except NotFoundError:
                return
        else:
            try:
                put_type(database, "t", {"list": f"t{number}"})
            except NotFoundError:  # it was deleted between two statements
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(48)))
    put_type(database, "t", {"list": "last"})
    history = database.read_now(resources.list_history, "parameter_type", "t", PageRequest())
    numbers = [one.number for one in history.rows]
    assert numbers == sorted(set(numbers), reverse=True)
    assert history.rows[0].delete_time is None


@pytest.mark.parametrize("order", ORDERS)
def test_lists_page_in_every_order(database, order):
    for name in ("b", "ä", "a", "C", "B"):
        database.write_now(experiments.create, name)

    def read(size):
        seen, token = [], ""
        while True:
            listing = Listing(page=PageRequest(size=size, token=token), order_by=order)
            page = database.read_now(experiments.list_page, listing)
            seen += [one.name for one in page.rows]
            token = page.next_token
            if not token:
                return seen

    names = ["default", "b", "ä", "a", "C", "B"]
    expected = sorted(names) if order.startswith("name") else names
    assert read(2) == (expected[::-1] if order.endswith("desc") else expected)
    assert read(2) == read(50)


def test_searches_look_into_descriptions_of_the_newest_snapshot(database):
    database.write_now(queues.create, "q", queues.Settings(description="old words"))
    database.write_now(queues.describe, "q", "New 100%")

    def search(text):
        return [one.name for one in database.read_now(queues.list_page, Listing(search=text)).rows]

    assert (search("words"), search("new 100%"), search("1_0")) == ([], ["q"], [])


def test_pins_know_the_newest_snapshot_of_their_plugin(database):
    pin = put_plugin(database, "p", "sha256:a")
    content = entrypoints.EntrypointContent(name="e", description={"graph": {}})
    database.write_now(entrypoints.put, content, [pin])

    def newest():
        (found,) = database.read_now(entrypoints.load_snapshot, "e").plugins
        return found.number, found.newest

    assert newest() == (1, 1)
    put_plugin(database, "p", "sha256:b")
    assert newest() == (1, 2)
    assert database.write_now(resources.delete, "plugin", "p")[0] == ["entrypoint 'e' (snapshot 1)"]
    assert newest() == (1, 0)
    put_plugin(database, "p", "sha256:c")
    assert newest() == (1, 3)


def test_tags_page_and_vanish_with_what_they_are_on(database):
    for name in ("a", "b", "c"):
        put_type(database, name)
        head = database.read_now(resources.find_id, "parameter_type", name)
        database.write_now(tags.update, "parameter_type", head, add=["x", f"only {name}"])
    first = database.read_now(resources.list_tagged, PageRequest(size=2), "x")
    page = PageRequest(size=2, token=first.next_token)
    rest = database.read_now(resources.list_tagged, page, "x")
    assert [*first.rows, *rest.rows] == [("parameter_type", name) for name in "abc"]
    database.write_now(resources.delete, "parameter_type", "b")
    listed = database.read_now(tags.list_page, PageRequest())
    assert [(tag.name, tag.resources) for tag in listed.rows] == [
        ("only a", 1),
        ("only c", 1),
        ("x", 2),
    ]
    found = database.read_now(parameter_types.list_page, Listing(tag="x"))
    assert [one.name for one in found.rows] == ["a", "c"]


def test_a_draft_is_replaced_by_the_next(database):
    for source in ("one", "two"):
        draft = drafts.Draft(
            name="e", description="", source=source, source_file="", plugins=("p",)
        )
        database.write_now(drafts.put, draft)
    assert database.read_now(drafts.get, "e").source == "two"
    assert len(database.read_now(drafts.list_page, PageRequest()).rows) == 1
    database.write_now(drafts.delete, "e")
    with pytest.raises(NotFoundError):
        database.read_now(drafts.get, "e")


def test_deleted_artifacts_stay_until_their_bytes_are_gone(database):
    manifest = '{"basename": "a", "is_directory": true, "files": [], "size": 0, "digest": ""}'
    made = database.write_now(catalog.record, name="a", key="k", manifest_json=manifest)[0]
    for _ in range(2):
        database.write_now(deletion.delete, made)
    assert database.read_now(deletion.find_unpurged, made) == "k"
    database.write_now(deletion.mark_purged, made)
    assert database.read_now(deletion.find_unpurged, made) is None
    assert database.read_now(catalog.get, made).delete_time is not None
    gone = catalog.ArtifactFilter(deleted=True)
    assert len(database.read_now(catalog.list_page, PageRequest(), gone).rows) == 1
    assert not database.read_now(catalog.list_page, PageRequest(), catalog.ArtifactFilter()).rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', True),
        ('{"a": 2, "b": 1}', True),
        ('{"a": 1, "b": 2}', True),
        ('{"a": 11}', False),
        ('{"a": 21, "b": 12}', False),
        ("{}", False),
    ],
)
def test_mappings_that_mention_an_artifact_are_found(database, text, expected):
    database.write_now(lambda connection: connection.execute(QUEUES.update().values(label=text)))
    query = select(QUEUES.c.id).where(usage.mentions(QUEUES.c.label, 1))
    with database.engine.connect() as connection:
        assert (connection.execute(query).first() is not None) is expected
