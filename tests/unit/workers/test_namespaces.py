import importlib
import json
import sys

import numpy as np
import pytest

from dioptra_workers.stage.namespaces import Namespaces


@pytest.fixture(params=[True, False], ids=["with numpy", "without"])
def namespaces(request, monkeypatch):
    if not request.param:
        monkeypatch.delitem(sys.modules, "numpy")
    one = Namespaces()
    one.note()
    return one


def is_changed(namespaces, module):
    return any(noted.names is vars(module) for noted in namespaces.changed())


def test_what_was_changed_is_found_until_it_is_restored(namespaces, monkeypatch):
    assert not is_changed(namespaces, json)
    dumps = json.dumps
    monkeypatch.setattr(json, "dumps", np.save)
    assert len(namespaces.changed()) < 20
    assert is_changed(namespaces, json)  # finding it changes nothing
    namespaces.restore()
    assert json.dumps is dumps
    assert not is_changed(namespaces, json)


def test_what_is_imported_later_is_found_as_well(namespaces, monkeypatch, tmp_path):
    (tmp_path / "imported_later.py").write_text("def call(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("imported_later")
    try:
        namespaces.note()
        call = module.call
        module.call = None
        namespaces.restore()
        assert module.call is call
        assert not is_changed(namespaces, module)
    finally:
        del sys.modules["imported_later"]
