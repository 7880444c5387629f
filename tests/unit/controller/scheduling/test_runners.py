import datetime as dt

from dioptra_controller.scheduling.runners import RunnerInfo, explain_wait


def runner(name: str, started: int, slots: int, *queues: str) -> RunnerInfo:
    return RunnerInfo(
        runner_id=name,
        name=name,
        queues=queues,
        slots=slots,
        started_jobs=started,
        resources={},
        ray_address="",
        last_seen=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )


def test_why_a_job_waits() -> None:
    assert explain_wait("gpu", []) == "no runner serves queue gpu"
    assert explain_wait("gpu", [runner("a", 0, 2, "cpu")]) == "no runner serves queue gpu"
    full = [runner("a", 2, 2, "gpu"), runner("b", 1, 1, "cpu", "gpu"), runner("c", 0, 9, "cpu")]
    assert explain_wait("gpu", full) == (
        "waiting for a free slot of runner a (2 of 2 in use) or b (1 of 1 in use)"
    )
    assert explain_wait("gpu", [*full, runner("d", 1, 2, "gpu")]) == "is about to be assigned"
