from dioptra_controller.scheduling.messages import Acknowledgement, Cancellation, Lease
from dioptra_controller.scheduling.sessions import Introduction, Session, Sessions


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def session(runner_id: str = "r", slots: int = 2) -> Session:
    return Session(Introduction(runner_id=runner_id, name=runner_id, queues=("q",), slots=slots))


async def test_what_is_said_before_the_welcome_is_held_back_until_after_it() -> None:
    one = session()
    stop = Cancellation(Lease(1, 1))
    one.send(stop)
    one.welcome([Acknowledgement(7)])
    one.send(Acknowledgement(8))
    one.close()
    said = [await one.next_message() for _ in range(4)]
    assert said == [Acknowledgement(7), stop, Acknowledgement(8), None]


async def test_a_newer_session_of_a_runner_ends_the_older_one() -> None:
    sessions = Sessions(Clock())
    old, new = session(), session()
    sessions.add(old)
    sessions.add(new)
    assert await old.next_message() is None
    sessions.remove(old)
    assert sessions.find("r") is new


async def test_a_clock_outlives_its_session() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    one, other = session("a"), session("b")
    sessions.add(one)
    sessions.add(other)
    sessions.expect(["c"])
    sessions.remove(one)
    clock.seconds = 20
    sessions.heard(other)
    assert sessions.silent(30) == []
    clock.seconds = 30
    assert sessions.silent(30) == ["a", "c"]
    sessions.drop(["a", "c"])
    assert sessions.silent(30) == []
    clock.seconds = 50
    assert sessions.silent(30) == ["b"]
    sessions.drop(["b"])
    assert await other.next_message() is None
    assert sessions.find("b") is None


async def test_only_welcome_runners_get_work() -> None:
    sessions = Sessions(Clock())
    one = session()
    sessions.add(one)
    assert sessions.welcome() == []
    one.welcome([])
    assert sessions.welcome() == [one.introduction]
    sessions.count({"r": 2, "other": 5})
    assert one.describe().started_jobs == 2
