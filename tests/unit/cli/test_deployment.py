"""What `up`, `down` and `status` say when something is in the way."""

from dataclasses import replace
from pathlib import Path

import pytest

from dioptra_ray import embedded
from dioptra_ray.embedded.lifecycle import Status

PLACE = Path("/somewhere")
NOTHING = Status(state_dir=PLACE, is_up=False, address="", store_url="", pids={}, was_up=False)


@pytest.mark.parametrize("command", ["up", "down"])
@pytest.mark.parametrize(
    ("pids", "said"),
    [
        ({}, "nothing runs now: `dioptra-ray up`"),
        ({"controller": 7}, "the controller (process 7) still runs: `dioptra-ray down`"),
    ],
)
def test_ctrl_c_says_what_is_left_and_what_to_do(run, monkeypatch, command, pids, said) -> None:
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded.lifecycle, command, interrupted)
    monkeypatch.setattr(embedded.lifecycle, "status", lambda _: replace(NOTHING, pids=pids))
    ran = run(command)
    assert ran.code == 130
    assert said in ran.err
    assert ran.out == ""
