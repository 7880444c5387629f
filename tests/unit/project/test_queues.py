from dioptra_ray.planning.environments import read_environment
from tests.unit.project.test_reader import PLUGIN, only, read, refused

QUEUES = """\
[[queues]]
name = "gpu"
description = "the big ones"
max_started_jobs = 4
priority = 5

[queues.environment]
num_gpus = 0.5
memory = "16GiB"
labels = { zone = "b" }
isolation = "process"

[queues.environment.runtime_env.env_vars]
OMP_NUM_THREADS = "1"

[[queues]]
name = "any"
"""


def test_queues_are_read() -> None:
    anything, gpu = read(PLUGIN + QUEUES).queues
    assert (anything.name, anything.environment, anything.priority) == ("any", None, None)
    assert (gpu.description, gpu.max_started_jobs, gpu.priority) == ("the big ones", 4, 5)
    assert gpu.environment == read_environment(
        {
            "num_gpus": 0.5,
            "memory": 16 * 1024**3,
            "labels": {"zone": "b"},
            "isolation": "process",
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}},
        }
    )
    assert gpu.place.line == 3


def test_everything_wrong_with_queues_is_said_at_once() -> None:
    config = """\
[[queues]]
name = "*"
max_started_jobs = -1
[queues.environment]
num_gpu = 1
runtime_env = { env_vars = { A = 1 } }
[[queues]]
name = "a"
priority = 99999999999
[[queues]]
name = "a"
"""
    issues = refused(config)
    found = {(issue.code, issue.line) for issue in issues}
    assert found >= {
        ("registration.queue", 2),
        ("registration.queue", 3),
        ("registration.queue", 4),
        ("registration.queue", 9),
    }
    text = "\n".join(issue.message for issue in issues)
    for part in (
        "without a comma, and not *",
        "max_started_jobs must be 0 (no limit) or more, not -1",
        "did you mean num_gpus?",
        "runtime_env.env_vars.A: must be a text, not 1; put it in quotes",
        "priority must have at most 31 bits",
        "The queue 'a' is declared twice.",
    ):
        assert part in text


def test_a_misshapen_queue() -> None:
    assert "`name` is missing" in only('[[queues]]\ndescription = "x"\n').message
    assert "`limit` is not a key" in only('[[queues]]\nname = "x"\nlimit = 1\n').message
