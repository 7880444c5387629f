from concurrent.futures import ThreadPoolExecutor

import pytest

from dioptra_controller.paging import PageRequest
from dioptra_controller.registry import experiments, parameter_types, plugins, snapshots
from dioptra_controller.registry.listing import Listing
from dioptra_controller.registry.requests import once
from dioptra_ray.errors import AlreadyExistsError, InvalidRequestError
from dioptra_ray.project.model import ProjectPlugin, ProjectType


def _put_type(connection, number):
    declared = ProjectType(name="t", structure={"list": f"t{number}"})
    return parameter_types.put(connection, declared)


def test_snapshots_are_dense_under_concurrency(database):
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda n: database.write_now(_put_type, n)[0], range(24)))
    assert sorted(one.number for one in stored) == list(range(1, 25))
    assert [one.outcome for one in stored].count(snapshots.Outcome.CREATED) == 1


def test_equal_content_is_stored_once_under_concurrency(database):
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda _: database.write_now(_put_type, 1)[0], range(24)))
    assert {one.number for one in stored} == {1}
    assert [one.outcome for one in stored].count(snapshots.Outcome.CREATED) == 1


def _create_once(connection, name):
    return once(
        connection,
        "r1",
        method="CreateExperiment",
        content=b"the same",
        create=lambda: str(experiments.create(connection, name).id),
    )


def test_a_request_is_done_once_under_concurrency(database):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: database.write_now(_create_once, "a")[0], range(16)))
    assert len(set(made)) == 1


def test_a_request_that_failed_is_not_remembered(database):
    with pytest.raises(AlreadyExistsError):
        database.write_now(_create_once, "default")
    assert database.write_now(_create_once, "a")[0]


@pytest.mark.parametrize("request_id", ["x" * 129, "a\0b"])
def test_request_ids_are_bounded(database, request_id):
    with pytest.raises(InvalidRequestError):
        database.write_now(
            once, request_id, method="m", content=b"", create=lambda: pytest.fail("ran")
        )


def test_search_ignores_case_and_takes_wildcards_as_text(database):
    for name in ("a%b", "A_b", "axb"):
        database.write_now(experiments.create, name)

    def search(text):
        found = database.read_now(experiments.list_page, Listing(search=text))
        return [one.name for one in found.rows]

    assert search("a%") == ["a%b"]
    assert search("_B") == ["A_b"]
    assert search("XB") == ["axb"]


def test_pages_of_mixed_case_names_show_each_once(database):
    names = sorted(["b", "B", "a", "A", "ab", "aB", "ä", "_", "é", "default"])
    for name in names:
        if name != "default":
            database.write_now(experiments.create, name)
    seen, token = [], ""
    while True:
        page = database.read_now(
            experiments.list_page, Listing(page=PageRequest(size=3, token=token))
        )
        seen += [one.name for one in page.rows]
        token = page.next_token
        if not token:
            break
    assert seen == names


def test_a_plugin_is_found_by_its_bundle(database):
    for description, digest in (("1", "sha256:aa"), ("2", "sha256:bb"), ("3", "sha256:aa")):
        plugin = ProjectPlugin(name="p", description=description, files={"t.py": b""})
        database.write_now(plugins.put, plugin, digest)
    found = database.read_now(plugins.find_by_digest, "sha256:aa")
    assert found is not None
    assert (found.number, found.description) == (3, "3")
    assert database.read_now(plugins.find_by_digest, "sha256:cc") is None
