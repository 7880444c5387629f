"""Plugin sets are extracted once, whole, and for everybody."""

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest

from dioptra_ray.errors import NotFoundError
from dioptra_ray.planning.plan import PluginBundle
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.store import bundle_key, open_store
from dioptra_workers.stage import pluginsets, sweeping


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(pluginsets, "_ready", OrderedDict())


@pytest.fixture
def store(tmp_path):
    store = open_store(f"file://{tmp_path}/store")
    store.check()
    return store


def bundle(store, name, text):
    packed = pack({"tasks.py": text.encode(), "sub/more.py": b""})
    store.put_blob(bundle_key(packed.digest), packed.content)
    return PluginBundle(name=name, digest=packed.digest)


def test_the_order_of_plugins_does_not_matter(store, tmp_path):
    a, b = bundle(store, "a", "1"), bundle(store, "b", "2")
    first = pluginsets.prepare((a, b), store=store, cache=tmp_path / "cache")
    second = pluginsets.prepare((b, a), store=store, cache=tmp_path / "cache")
    assert first == second
    assert (first.root / "a" / "tasks.py").read_text() == "1"
    assert (first.root / "b" / "sub" / "more.py").exists()


def test_versions_have_places_of_their_own(store, tmp_path):
    roots = {
        pluginsets.prepare((bundle(store, "a", text),), store=store, cache=tmp_path / "cache").root
        for text in ("1", "2")
    }
    assert len(roots) == 2


def test_many_processes_may_extract_at_once(store, tmp_path):
    wanted = (bundle(store, "a", "1"),)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            # Below `prepare`, since processes do not share what it remembers.
            results = pool.map(
                lambda _: pluginsets._extract(wanted, store, tmp_path / "cache" / "set"), range(8)
            )
            list(results)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["set"]
    assert (tmp_path / "cache" / "set" / "a" / "tasks.py").read_text() == "1"


def test_a_cache_that_was_cleared_is_filled_again(store, tmp_path):
    wanted = (bundle(store, "a", "1"),)
    first = pluginsets.prepare(wanted, store=store, cache=tmp_path / "cache")
    first.root.rename(tmp_path / "gone")
    again = pluginsets.prepare(wanted, store=store, cache=tmp_path / "cache")
    assert (again.root / "a" / "tasks.py").exists()


def test_nothing_is_left_of_a_set_that_cannot_be_had(store, tmp_path):
    missing = PluginBundle(name="b", digest="sha256:" + "0" * 64)
    with pytest.raises(NotFoundError):
        pluginsets.prepare(
            (bundle(store, "a", "1"), missing), store=store, cache=tmp_path / "cache"
        )
    assert list((tmp_path / "cache").iterdir()) == []


def test_lost_files_are_explained_with_what_to_do(store, tmp_path):
    gone = bundle(store, "a", "1")
    store.delete_blob(bundle_key(gone.digest))
    with pytest.raises(NotFoundError, match=r'plugin "a".*Import the plugin again'):
        pluginsets.prepare((gone,), store=store, cache=tmp_path / "cache")


def test_sets_that_nobody_uses_go_when_there_are_too_many(store, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "MOST_SETS", 2)
    monkeypatch.setattr(sweeping, "JUST_USED", 0.0)
    monkeypatch.setattr(pluginsets, "_KEPT", 3)
    cache = tmp_path / "cache"
    roots = []
    for number in range(6):
        wanted = (bundle(store, "a", str(number)),)
        roots.append(pluginsets.prepare(wanted, store=store, cache=cache).root)
        os.utime(roots[-1], (number, number))
    # The set that was extracted last has seen that its process holds the three before it.
    assert [root.is_dir() for root in roots] == [False, False, True, True, True, True]
    assert sorted(path.name for path in cache.iterdir()) == sorted(root.name for root in roots[2:])
    again = pluginsets.prepare((bundle(store, "a", "0"),), store=store, cache=cache)
    assert (again.root / "a" / "tasks.py").read_text() == "0"


def test_sets_that_were_not_used_for_long_go(store, tmp_path):
    cache = tmp_path / "cache"
    root = pluginsets.prepare((bundle(store, "a", "1"),), store=store, cache=cache).root
    (cache / ".partial-x").mkdir()
    for path in (root, cache / ".partial-x"):
        os.utime(path, (1, 1))
    sweeping.sweep_sets(cache)
    assert list(cache.iterdir()) == [root]
    ((_, held),) = pluginsets._ready.values()
    os.close(held)
    sweeping.sweep_sets(cache)
    assert list(cache.iterdir()) == []
    pluginsets._ready.clear()
