"""What killed processes have left goes; what somebody uses stays."""

import os
import signal
import tempfile
from pathlib import Path

from dioptra_workers.holding import hold, make_temporary
from dioptra_workers.stage.sweeping import sweep_stages


def test_stages_that_run_no_more_are_removed_with_what_lies_beside_them(tmp_path):
    for name in ("dead", "runs", "young"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
        for suffix in ("journal", "children", "stdout", "stderr"):
            (tmp_path / f"{name}.{suffix}").touch()
            if name != "young":
                os.utime(tmp_path / f"{name}.{suffix}", (1, 1))
    held = hold(tmp_path / "runs")
    for name in ("dead", "runs"):
        os.utime(tmp_path / name, (1, 1))
    for _ in range(2):  # a file goes once its directory is gone
        sweep_stages(tmp_path)
    os.close(held)
    left = {path.name.partition(".")[0] for path in tmp_path.iterdir()}
    assert left == {"runs", "young"}


def test_the_temporary_directory_of_a_killed_process_goes_and_that_of_another_stays():
    prefix = f"dioptra-test-{os.getpid()}-"
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, str(make_temporary(prefix, idle_seconds=0)).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    left = Path(os.read(read, 1000).decode())
    os.close(read)
    os.close(write)
    assert left.is_dir()
    first = make_temporary(prefix, idle_seconds=0)
    second = make_temporary(prefix, idle_seconds=0)
    assert sorted(Path(tempfile.gettempdir()).glob(f"{prefix}*")) == sorted([first, second])
    first.rmdir()
    second.rmdir()
