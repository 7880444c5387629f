from dioptra_controller.jobs.waits import (
    StageWait,
    change_waits,
    describe_waits,
    read_waits,
    write_waits,
)


def test_stages_wait_and_wait_no_more() -> None:
    waits = change_waits({}, StageWait(stage="s1", reason="waits for GPU=1\0"))
    waits = change_waits(waits, StageWait(stage="s0", reason="waits for a node"))
    assert describe_waits(waits) == "stage s0 waits for a node; stage s1 waits for GPU=1␀"
    assert read_waits(write_waits(waits)) == waits
    waits = change_waits(waits, StageWait(stage="s1", reason=""))
    assert waits == change_waits(waits, StageWait(stage="unknown", reason=""))
    assert describe_waits(waits) == "stage s0 waits for a node"
    nothing = change_waits(waits, StageWait(stage="s0", reason=""))
    assert (describe_waits(nothing), write_waits(nothing), read_waits(None)) == ("", None, {})


def test_a_reason_is_bounded() -> None:
    waits = change_waits({}, StageWait(stage="s0", reason="x" * 100_000))
    assert len(describe_waits(waits)) < 3000
