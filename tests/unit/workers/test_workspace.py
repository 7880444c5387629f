"""Files that travel between stages."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from dioptra_workers.stage.workspace import remove
from tests.unit.workers.files import found, names, nothing, writer


def test_only_what_is_new_or_changed_travels(job):
    def first(root):
        (root / "sub").mkdir()
        (root / "old").write_text("old")
        (root / "changed").write_text("before")

    def second(root):
        (root / "changed").write_text("after!")
        (root / "sub" / "new").write_text("new")
        (root / "empty").mkdir()
        (root / ".dioptra").mkdir()
        (root / ".dioptra" / "own").write_text("ours")

    job.stage("s0", first)
    job.stage("s1", second, "s0")
    assert [entry.path for entry in job.delta("s1").entries] == ["changed", "empty", "sub/new"]
    root = job.stage("s2", nothing, "s0", "s1")
    assert found(root) == {"old": "old", "changed": "after!", "sub/new": "new"}
    assert (root / "empty").is_dir()
    assert job.delta("s2").entries == ()


def test_permissions_and_times_are_kept(job):
    def first(root):
        (root / "script").write_text("#!/bin/sh")
        (root / "script").chmod(0o755)
        (root / "locked").mkdir()
        (root / "locked" / "secret").write_text("x")
        (root / "locked" / "secret").chmod(0o400)
        os.utime(root / "locked" / "secret", ns=(1, 1_234_567_890_123_456_789))
        (root / "locked").chmod(0o555)

    job.stage("s0", first)
    root = job.stage("s1", lambda root: (root / "script").chmod(0o700), "s0")
    assert [entry.path for entry in job.delta("s1").entries] == ["script"]
    secret = (root / "locked" / "secret").stat()
    assert stat.S_IMODE((root / "locked").stat().st_mode) == 0o555
    assert stat.S_IMODE(secret.st_mode) == 0o400
    assert secret.st_mtime_ns == 1_234_567_890_123_456_789
    root = job.stage("s2", nothing, "s0", "s1")
    assert stat.S_IMODE((root / "script").stat().st_mode) == 0o700


def test_contents_that_hide_behind_the_old_time_travel(job):
    def same_size_and_time(root):
        before = (root / "file").stat()
        with (root / "file").open("r+b") as file:
            file.write(b"B")
        os.utime(root / "file", ns=(before.st_atime_ns, before.st_mtime_ns))

    job.stage("s0", writer(file="A"))
    job.stage("s1", same_size_and_time, "s0")
    assert found(job.stage("s2", nothing, "s0", "s1")) == {"file": "B"}


def test_links_lead_where_they_led(job):
    def first(root):
        (root / "sub").mkdir()
        (root / "data").write_text("data")
        (root / "sub" / "absolute").symlink_to(root / "data")
        (root / "sub" / "relative").symlink_to("../data")
        (root / "whole").symlink_to(root)
        (root / "folder").symlink_to(root / "sub", target_is_directory=True)
        (root / "dangling").symlink_to("nowhere/../x")
        (root / "outside").symlink_to("/etc/hostname")

    job.stage("s0", first)
    root = job.stage("s1", nothing, "s0")
    for name in ("sub/absolute", "sub/relative"):
        assert (root / name).is_symlink()
        assert (root / name).resolve() == (root / "data").resolve()
    assert (root / "whole").resolve() == root.resolve()
    assert (root / "folder").resolve() == (root / "sub").resolve()
    assert os.readlink(root / "dangling") == "nowhere/../x"  # noqa: PTH115
    assert os.readlink(root / "outside") == "/etc/hostname"  # noqa: PTH115


def test_links_into_a_directory_that_is_reached_by_a_link(tmp_path, job):
    (tmp_path / "alias").symlink_to(job.folder)
    job.folder = tmp_path / "alias"
    job.stage("s0", lambda root: (root / "link").symlink_to(root.resolve() / "data"))
    assert os.readlink(job.stage("s1", nothing, "s0") / "link") == "data"  # noqa: PTH115


def test_what_was_deleted_stays_deleted_further_down(job):
    def clean(root):
        (root / "partial").unlink()
        (root / "parameters.json").unlink()
        (root / "cache" / "deep" / "b").unlink()
        (root / "cache" / "deep").rmdir()
        (root / "cache").rmdir()

    def first(root):
        (root / "cache" / "deep").mkdir(parents=True)
        (root / "cache" / "deep" / "b").write_text("b")
        (root / "partial").write_text("x")
        (root / "kept").write_text("kept")

    job.stage("s0", first)
    job.stage("s1", clean, "s0")
    root = job.stage("s2", writer(partial="again"), "s0", "s1")
    assert names(root) == ["kept", "partial"]
    assert found(job.stage("s3", nothing, "s0", "s1", "s2")) == {"kept": "kept", "partial": "again"}
    assert job.warnings == []


def test_renamed_files_and_folders(job):
    def rename(root):
        (root / "a").rename(root / "b")
        (root / "old").rename(root / "new")

    def first(root):
        (root / "a").write_text("a")
        (root / "old" / "deep").mkdir(parents=True)
        (root / "old" / "deep" / "x").write_text("x")

    job.stage("s0", first)
    job.stage("s1", rename, "s0")
    root = job.stage("s2", nothing, "s0", "s1")
    assert found(root) == {"b": "a", "new/deep/x": "x"}
    assert not (root / "old").exists()


def test_a_file_becomes_a_folder_and_a_folder_a_link(job):
    def swap(root):
        (root / "file").unlink()
        (root / "file").mkdir()
        (root / "file" / "x").write_text("x")
        (root / "folder" / "y").unlink()
        (root / "folder").rmdir()
        (root / "folder").symlink_to("file")

    def first(root):
        (root / "file").write_text("f")
        (root / "folder").mkdir()
        (root / "folder" / "y").write_text("y")

    job.stage("s0", first)
    job.stage("s1", swap, "s0")
    root = job.stage("s2", nothing, "s0", "s1")
    assert (root / "file" / "x").read_text() == "x"
    assert (root / "folder").is_symlink()
    assert (root / "folder" / "x").read_text() == "x"
    assert job.warnings == []


def test_stages_side_by_side_that_disagree_are_named_once(job):
    job.stage("s0", writer(log="start"))
    job.stage("s1", writer(log="left", own="1", same="equal"), "s0")
    job.stage("s2", writer(log="right", same="equal"), "s0")
    root = job.stage("s3", nothing, "s0", "s1", "s2")
    assert found(root) == {"log": "right", "own": "1", "same": "equal"}
    (warning,) = job.warnings
    assert "log was changed" in warning
    assert "s2 (step s2), whose version is found" in warning
    assert "s1 (step s1), whose version is lost" in warning
    # Whoever comes after the stage that has said so need not say it again.
    assert found(job.stage("s4", nothing, "s0", "s1", "s2", "s3"))["log"] == "right"
    assert len(job.warnings) == 1


def test_all_who_lose_are_named(job):
    for name in ("s0", "s1", "s2"):
        job.stage(name, writer(log=name))
    assert found(job.stage("s3", nothing, "s0", "s1", "s2")) == {"log": "s2"}
    (warning,) = job.warnings
    assert "s0 (step s0) and s1 (step s1), whose version is lost" in warning


def test_a_change_wins_over_a_deletion_beside_it(job):
    job.stage("s0", writer(a="a", b="b"))
    job.stage("s1", writer(a="changed"), "s0")
    job.stage("s2", lambda root: ((root / "a").unlink(), (root / "b").unlink()), "s0")
    job.stage("s3", writer(b="changed"), "s0")
    root = job.stage("s4", nothing, "s0", "s1", "s2", "s3")
    assert found(root) == {"a": "changed", "b": "changed"}
    assert len(job.warnings) == 2
    assert all("s2 (step s2), whose version is lost" in warning for warning in job.warnings)


def test_a_folder_stays_while_somebody_beside_has_put_something_into_it(job):
    def clean(root):
        (root / "runs" / "old").unlink()
        (root / "runs").rmdir()

    def first(root):
        (root / "runs").mkdir()
        (root / "runs" / "old").write_text("old")

    job.stage("s0", first)
    job.stage("s1", lambda root: (root / "runs" / "new").write_text("new"), "s0")
    job.stage("s2", clean, "s0")
    assert found(job.stage("s3", nothing, "s0", "s1", "s2")) == {"runs/new": "new"}
    assert job.warnings == []


@pytest.mark.parametrize("folder_first", [True, False])
def test_a_file_and_a_folder_of_one_name(job, folder_first):
    def folder(root):
        (root / "out").mkdir()
        (root / "out" / "x").write_text("x")

    steps = [folder, writer(out="file")]
    job.stage("s0", steps[not folder_first])
    job.stage("s1", steps[folder_first])
    root = job.stage("s2", nothing, "s0", "s1")
    assert found(root) == ({"out": "file"} if folder_first else {"out/x": "x"})
    assert any("out was changed" in warning for warning in job.warnings)


def test_a_folder_that_somebody_beside_makes_a_file_of(job):
    def replace(root):
        (root / "out").rmdir()
        (root / "out").write_text("file")

    job.stage("s0", lambda root: (root / "out").mkdir())
    job.stage("s1", replace, "s0")
    job.stage("s2", lambda root: (root / "out" / "x").write_text("x"), "s0")
    assert found(job.stage("s3", nothing, "s0", "s1", "s2")) == {"out/x": "x"}
    (warning,) = job.warnings
    assert "out was changed" in warning


def test_sockets_and_fifos_break_nothing(job):
    def first(root):
        os.mkfifo(root / "fifo")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.relpath(root / "socket"))
        (root / "file").write_text("x")

    job.stage("s0", first)
    root = job.stage("s1", nothing, "s0")
    assert names(root) == ["fifo", "file", "parameters.json"]
    assert (root / "fifo").is_fifo()


_AS_NOBODY = """
import os, sys
from pathlib import Path
from dioptra_workers.stage.packing import Author, pack
from dioptra_workers.stage.workspace import remove, scan
os.setgroups([]); os.setgid(65534); os.setuid(65534)
root, said = Path(sys.argv[1]), []
for name in ("own", "readable"):
    (root / name).write_text(name)
(root / "own").chmod(0)
(root / "folder").mkdir()
(root / "folder" / "x").write_text("x")
before = {"folder/x": (0, 0, 0, 0, 0)}
(root / "folder").chmod(0)
delta = pack(root, before, Author(stage="s0", label="s0", after=()), None, said.append)
print([(e.path, e.kind, bytes(delta.content_of(e)).decode()) for e in delta.entries])
print(said)
remove(root)
print(os.path.exists(root / "folder"))
"""


def test_what_cannot_be_read_is_said_and_breaks_nothing(tmp_path):
    if os.geteuid() != 0:
        pytest.fail("needs root, to act as somebody who may not read everything")
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(0o755)
    root = tmp_path / "work"
    root.mkdir()
    root.chmod(0o777)
    (root / "others").write_text("not yours")
    (root / "others").chmod(0o600)
    ran = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(root)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    entries, said, left = ran.stdout.splitlines()
    assert entries == str(
        [("folder", "folder", ""), ("own", "file", "own"), ("readable", "file", "readable")]
    )
    assert "folder cannot be read" in said
    assert "others cannot be read" in said
    assert left == "False"


def test_a_directory_that_forbids_changes_is_removed(tmp_path):
    (tmp_path / "work" / "locked" / "deep").mkdir(parents=True)
    (tmp_path / "work" / "locked" / "deep" / "x").write_text("x")
    (tmp_path / "work" / "locked").chmod(0o500)
    remove(tmp_path / "work")
    assert not (tmp_path / "work").exists()
