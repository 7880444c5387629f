"""Files that travel between stages."""

import os

from dioptra_workers.stage.workspace import apply_delta, pack_delta, stamps


def test_only_what_is_new_or_changed_travels(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    target.mkdir()
    (source / "old").write_text("old")
    (source / "changed").write_text("before")
    before = stamps(source)
    (source / "changed").write_text("after!")
    (source / "sub" / "new").write_text("new")
    (source / "empty").mkdir()
    (source / "script").write_text("#!/bin/sh")
    (source / "script").chmod(0o755)
    (source / ".dioptra").mkdir()
    (source / ".dioptra" / "own").write_text("ours")
    apply_delta(target, pack_delta(source, before))
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*"))
    assert found == ["changed", "empty", "script", "sub", "sub/new"]
    assert (target / "changed").read_text() == "after!"
    assert os.access(target / "script", os.X_OK)


def test_links_into_the_directory_lead_into_the_other_one(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    target.mkdir()
    (source / "data").write_text("data")
    (source / "sub" / "inside").symlink_to(source / "data")
    (source / "relative").symlink_to("data")
    (source / "outside").symlink_to("/etc/hostname")
    apply_delta(target, pack_delta(source, {}))
    assert (target / "sub" / "inside").resolve() == target / "data"
    assert (target / "relative").resolve() == target / "data"
    assert (target / "outside").readlink().as_posix() == "/etc/hostname"


def test_a_delta_replaces_what_is_there(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "file").write_text("theirs")
    (target / "file").write_text("mine, which is longer")
    apply_delta(target, pack_delta(source, {}))
    assert (target / "file").read_text() == "theirs"
