"""The job's life against a simple model: a table of what may follow what."""

from hypothesis import given
from hypothesis import strategies as st

from dioptra_controller.jobs.state import IllegalTransitionError, JobLife, JobState

MAX_ATTEMPTS = 3
FINAL = {"finished", "failed", "cancelled"}
COMMANDS = st.sampled_from(["lease", "finish", "fail", "cancelled", "cancel", "lose"])


class Model:
    """What a job should do, said as simply as possible."""

    def __init__(self) -> None:
        self.state = "queued"
        self.attempt = 0
        self.asked = False

    def apply(self, command: str) -> bool:
        """Whether the command is legal; if so, it is done."""
        started = self.state == "started"
        if command == "lease":
            if self.state != "queued":
                return False
            self.state, self.attempt, self.asked = "started", self.attempt + 1, False
            return True
        if command == "cancel":
            if self.state in {"finished", "failed"}:
                return False
            self.asked = started
            self.state = "started" if started else "cancelled"
            return True
        if not started:
            return False
        if command == "lose":
            retried = "queued" if self.attempt < MAX_ATTEMPTS else "failed"
            self.state = "cancelled" if self.asked else retried
        else:
            self.state = {"finish": "finished", "fail": "failed"}.get(command, command)
        self.asked = False
        return True


def run(life: JobLife, command: str) -> JobLife:
    match command:
        case "lease":
            return life.lease(f"runner-{life.attempt + 1}")
        case "cancel":
            return life.request_cancel()
        case "lose":
            return life.lose_runner(MAX_ATTEMPTS)
    ends = {"finish": JobState.FINISHED, "fail": JobState.FAILED, "cancelled": JobState.CANCELLED}
    return life.end(ends[command])


@given(st.lists(COMMANDS, max_size=30))
def test_a_life_does_what_the_model_does(commands: list[str]) -> None:
    life, model = JobLife(), Model()
    for command in commands:
        try:
            after = run(life, command)
        except IllegalTransitionError:
            assert not model.apply(command)
            continue
        assert model.apply(command)
        # A final state is final, attempts only grow, and one at a time.
        assert life.state not in FINAL or after == life
        assert after.attempt - life.attempt in (0, 1)
        life = after
        assert (life.state.value, life.attempt) == (model.state, model.attempt)
        assert life.cancel_requested == model.asked
        assert (life.runner_id is not None) == (life.state is JobState.STARTED)
        for attempt in range(life.attempt + 2):
            believed = life.is_leased_by(f"runner-{attempt}", attempt)
            assert believed == (life.state is JobState.STARTED and attempt == life.attempt)


@given(st.lists(COMMANDS, max_size=200))
def test_a_job_is_never_leased_more_often_than_it_may(commands: list[str]) -> None:
    life = JobLife()
    for command in commands:
        try:
            life = run(life, command)
        except IllegalTransitionError:
            continue
        assert life.attempt <= MAX_ATTEMPTS
