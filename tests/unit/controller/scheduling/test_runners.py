import datetime as dt

from dioptra_controller.scheduling.decision import QueueRule
from dioptra_controller.scheduling.runners import RunnerInfo
from dioptra_controller.scheduling.waiting import Situation, explain_wait


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


def test_why_a_job_waits_that_its_queue_holds_back() -> None:
    idle = runner("a", 0, 9, "*")
    rules = {"gpu": QueueRule(limit=4, running=5), "one": QueueRule(limit=1, running=1)}
    situation = Situation(runners=(idle,), rules=rules)
    assert situation.explain("gpu") == "queue gpu runs 5 of at most 4 jobs"
    assert situation.explain("one") == "queue one runs 1 of at most 1 job"
    assert situation.explain("new") == "is about to be assigned"
    assert Situation(rules=rules).explain("gpu") == "no runner serves queue gpu"
