import json

import pytest

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.planning import PlanOptions, compile_plan
from dioptra_ray.planning.environments import (
    MAX_SIZE,
    NOTHING,
    Environment,
    find_problems,
    read_environment,
)
from dioptra_ray.planning.plan import Plan, Resources, StageEnvironment

WHOLE = {
    "num_cpus": 2,
    "num_gpus": 0.5,
    "memory": "4GiB",
    "labels": {"zone": "b", "disk": "fast"},
    "resources": {"tpu": 1},
    "runtime_env": {"pip": ["six"], "env_vars": {"B": "2", "A": "1"}},
    "isolation": "process",
}


def test_everything_that_may_be_said():
    read = read_environment(WHOLE)
    assert read == Environment(
        defaults=Resources(
            num_cpus=2.0,
            num_gpus=0.5,
            memory=4 * 1024**3,
            labels=(("disk", "fast"), ("zone", "b")),
            custom=(("tpu", 1.0),),
        ),
        stages=StageEnvironment(
            runtime_env='{"env_vars":{"A":"1","B":"2"},"pip":["six"]}', isolation="process"
        ),
    )
    assert read_environment(read.to_mapping()) == read


def test_saying_nothing():
    assert read_environment({}) == NOTHING
    assert read_environment(dict.fromkeys(WHOLE)) == NOTHING
    assert read_environment({"runtime_env": {}, "isolation": ""}) == NOTHING
    assert read_environment({"runtime_env": {"env_vars": {}, "pip": []}}) == NOTHING
    assert NOTHING.to_mapping() == {}


def test_no_cpu_is_not_the_default_of_one():
    read = read_environment({"num_cpus": 0})
    assert read.defaults.num_cpus == 0
    assert read.to_mapping() == {"num_cpus": 0}


def test_everything_wrong_is_said_at_once():
    wrong = {
        "num_cpu": 1,
        "num_gpus": 1.5,
        "memory": "much",
        "labels": {"zone": 1},
        "resources": {"GPU": 1},
        "isolation": "container",
        "runtime_env": {
            "env_var": {"A": "1"},
            "pip": "six",
            "uv": {"package": ["six"]},
            "working_dir": ".",
            "config": {"setup_timeout_seconds": 0},
        },
    }
    with pytest.raises(InvalidRequestError) as caught:
        read_environment(wrong)
    message = caught.value.message
    for part in (
        "'num_cpu' is not a setting of an environment (did you mean num_cpus?)",
        "num_gpus must be a fraction below 1, or a whole number that is not negative, not 1.5",
        "memory must be a number of bytes or a text such as \"4GiB\", not 'much'",
        "labels must be a mapping of label names to texts",
        "GPU has its own setting, num_gpus",
        "isolation must be \"process\" or empty, not 'container'",
        "runtime_env: 'env_var' is not a key of it (did you mean env_vars?)",
        "runtime_env.pip: must be a list of texts, not the one text 'six'",
        "runtime_env.uv: 'package' is not a key of it (did you mean packages?)",
        "runtime_env.uv: has no packages",
        "'working_dir' is not allowed: every stage has a working directory of its own",
        "runtime_env: pip and uv exclude each other",
        "runtime_env.config.setup_timeout_seconds: must be a whole number of seconds, not 0",
    ):
        assert part in message, message


@pytest.mark.parametrize(
    ("runtime_env", "said"),
    [
        ([], "must be a mapping"),
        ({"env_vars": ["A=1"]}, "env_vars: must be a mapping of names to texts"),
        ({"env_vars": {"A": 1}}, "env_vars.A: must be a text, not 1; put it in quotes"),
        ({"env_vars": {"A": "\0"}}, "env_vars.A: must not hold a NUL"),
        ({"env_vars": {"A=B": "1"}}, "'A=B' is not a name of an environment variable"),
        ({"env_vars": {1: "1"}}, "1 is not a name of an environment variable"),
        ({"env_vars": {"RAY_ADDRESS": "x"}}, "RAY_ADDRESS is reserved"),
        ({"env_vars": {"DIOPTRA_S3_ACCESS_KEY": "x"}}, "DIOPTRA_S3_ACCESS_KEY is reserved"),
        ({"env_vars": {"PYTHONHOME": "/x"}}, "PYTHONHOME is reserved"),
        ({"env_vars": {"PATH": "/x"}}, 'env_vars.PATH: must hold "${PATH}"'),
        ({"pip": ["a", 1]}, "pip: must be a list of texts"),
        ({"pip": {"packages": ["a"], "pip_check": "yes"}}, "pip.pip_check: must be true or false"),
        ({"uv": {"packages": ["a"], "uv_version": 1}}, "uv.uv_version: must be a text"),
        ({"conda": "environment.yml"}, "conda: must be the name of an environment"),
        ({"conda": {"dependencies": [float("nan")]}}, "something that JSON cannot"),
        ({"image_uri": ""}, "image_uri: must be a text"),
        ({"image_uri": "a", "pip": ["b"]}, "image_uri excludes pip: put that into the image"),
        ({"py_executable": "python3"}, "'py_executable' is not allowed: Ray waits for ever"),
        ({"container": {}}, "'container' is not allowed: use image_uri"),
        ({"config": {"eager": True}}, "'eager' is not a key of it"),
        ({"config": {"eager_install": 1}}, "config.eager_install: must be true or false"),
        ({"nsight": "all"}, 'nsight: must be "default" or a mapping'),
        ({"env_vars": {"A": "x" * MAX_SIZE}}, f"at most {MAX_SIZE} may be"),
        ({"env_vars": {"A": "\ud800"}}, "something that JSON cannot"),
    ],
)
def test_what_a_runtime_env_cannot_be(runtime_env, said):
    (problem,) = find_problems({"runtime_env": runtime_env})
    assert said in problem


@pytest.mark.parametrize(
    "runtime_env",
    [
        {"pip": {"packages": ["a"], "pip_check": True, "pip_install_options": ["--no-index"]}},
        {"uv": ["a==1"]},
        {"env_vars": {"PATH": "/x:${PATH}"}},
        {"conda": "name"},
        {"conda": {"dependencies": ["pip", {"pip": ["a"]}]}},
        {"image_uri": "registry/image:1", "env_vars": {"A": "1"}},
        {"config": {"setup_timeout_seconds": -1, "eager_install": False}},
        {"nsight": "default"},
    ],
)
def test_what_a_runtime_env_may_be(runtime_env):
    read = read_environment({"runtime_env": runtime_env})
    assert read.runtime_env == runtime_env
    assert read_environment(read.to_mapping()) == read


@pytest.mark.parametrize(
    "mapping",
    [
        {"num_cpus": 1e300},
        {"memory": 2**63},
        {"resources": {"x": 1e12}},
        {"num_gpus": -1},
        {"num_cpus": float("nan")},
        {"num_cpus": True},
        {"labels": {"a": "\0"}},
        {"labels": {"a": "\ud800"}},
        {1: 2},
        "nothing",
        None,
    ],
)
def test_what_nothing_could_hold(mapping):
    assert len(find_problems(mapping)) == 1


DESCRIPTION = {
    "types": {},
    "tasks": {"say": {"plugin": "p.m.say"}},
    "graph": {"a": {"say": []}, "b": {"say": []}},
}


def plan_of(environment, description=DESCRIPTION):
    read = read_environment(environment)
    return compile_plan(description, PlanOptions(defaults=read.defaults, environment=read.stages))


def test_a_plan_carries_the_environment_of_its_queue():
    plan = plan_of(WHOLE)
    assert len(plan.stages) == 1, "the defaults of a queue make no step free"
    assert plan.stages[0].resources == read_environment(WHOLE).defaults
    assert json.loads(plan.to_json())["environment"] == {
        "runtime_env": {"env_vars": {"A": "1", "B": "2"}, "pip": ["six"]},
        "isolation": "process",
    }
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()


def test_the_digest_of_a_plan_covers_the_environment():
    variables = [{}, {"A": "1"}, {"A": "2"}]
    digests = {plan_of({"runtime_env": {"env_vars": one}}).digest for one in variables}
    digests |= {plan_of({"isolation": "process"}).digest, compile_plan(DESCRIPTION).digest}
    assert len(digests) == 4, "one without variables is none"
    one = plan_of({"runtime_env": {"env_vars": {"A": "1", "B": "2"}}})
    other = plan_of({"runtime_env": {"env_vars": {"B": "2", "A": "1"}}})
    assert one.to_json() == other.to_json()


def test_a_plan_of_the_time_before_environments_can_be_read():
    old = compile_plan(DESCRIPTION).to_json()
    assert "environment" not in old
    assert Plan.from_json(old).environment == StageEnvironment()


@pytest.mark.parametrize(
    ("of_queue", "of_entrypoint", "isolated"),
    [("", None, False), ("process", None, True), ("", "process", True)],
)
def test_the_queue_or_the_entrypoint_asks_for_isolation(of_queue, of_entrypoint, isolated):
    execution = {} if of_entrypoint is None else {"execution": {"isolation": of_entrypoint}}
    plan = plan_of({"isolation": of_queue}, {**DESCRIPTION, **execution})
    assert plan.is_isolated is isolated
