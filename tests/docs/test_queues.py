"""The examples of docs/queues.md: three ways to say the same."""

import ast
import shlex

from click.testing import CliRunner

from dioptra_ray.cli import queue
from dioptra_ray.planning.environments import read_environment
from dioptra_ray.project import read_project
from tests.docs.conftest import DOCS, examples

PAGE = "queues.md"
SAID = {
    "num_gpus": 1,
    "memory": 16 * 1024**3,
    "labels": {"zone": "b"},
    "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "4"}},
}


def only(language: str) -> str:
    (found,) = [one.text for one in examples(PAGE) if one.language == language]
    return found


def test_python_and_toml_say_the_same() -> None:
    call = ast.parse(only("python")).body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    given = {one.arg: ast.literal_eval(one.value) for one in call.value.keywords}
    assert read_environment(given["environment"]).to_mapping() == SAID
    (declared,) = read_project({"dioptra.toml": only("toml").encode()}).queues
    assert declared.environment is not None
    assert declared.environment.to_mapping() == SAID
    limits = (given["max_started_jobs"], given["priority"])
    assert (declared.max_started_jobs, declared.priority) == limits == (4, 5)


def test_the_commands_are_those_that_there_are() -> None:
    create = shlex.split(only("sh").replace("\\\n", " "), comments=True)
    create = create[: create.index("run") - 1]
    assert create[:3] == ["dioptra-ray", "queue", "create"]
    # Nobody answers at this address: the options themselves were understood.
    result = CliRunner().invoke(
        queue.queue, [*create[2:], "--controller", "127.0.0.1:1"], catch_exceptions=True
    )
    assert "No such option" not in result.output
    assert result.exit_code == 1
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    for command in queue.queue.commands:
        if f"queue {command} " in text:
            assert command in {"create", "update", "history", "diff"}
