"""Exit codes that scripts can trust, and no traceback for what users do wrong."""

import subprocess
import sys

import pytest

from dioptra_ray.api.controller.v1 import job_service_pb2
from dioptra_ray.errors import InternalError, NotFoundError, PreconditionError, UnauthenticatedError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("there is no job 9"), 3),
        (PreconditionError("it has ended"), 1),
        (UnauthenticatedError("a wrong token"), 1),
        (InternalError("oops"), 1),
    ],
)
def test_what_the_controller_says_decides(remote, controller, error, code) -> None:
    def refuse(_):
        raise error

    controller.on("CancelJob", refuse)
    ran = remote("job", "cancel", 9)
    assert ran.code == code
    assert error.message in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_errors_are_json_too(remote, controller) -> None:
    def refuse(_):
        raise NotFoundError("there is no job 9")

    controller.on("GetJob", refuse)
    ran = remote("job", "show", 9, "--format", "json")
    assert ran.code == 3
    assert ran.json["error"]["reason"] == "NOT_FOUND"


def test_no_deployment_says_how_to_start_one(run, tmp_path) -> None:
    ran = run("job", "list", "--state-dir", tmp_path)
    assert ran.code == 4
    assert "dioptra-ray up" in ran.err


def test_nobody_answering_says_so(run, monkeypatch) -> None:
    monkeypatch.setattr("dioptra_ray.cli.target.PATIENCE", 0.1)
    ran = run("queue", "list", "--controller", "127.0.0.1:1")
    assert ran.code == 4
    assert "127.0.0.1:1" in ran.err
    assert "dioptra-ray up" in ran.err


@pytest.mark.parametrize(
    "args",
    [
        ["nosuch"],
        ["job", "show", "x"],
        ["job", "submit"],
        ["job", "submit", "train", "-P", "eps"],
        ["sweep", "submit", "train"],
        ["validate", "nofile.yaml"],
        ["run", "nofile.yaml", "--local"],
    ],
)
def test_wrong_usage(run, args) -> None:
    ran = run(*args)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_status_without_a_deployment(run, tmp_path) -> None:
    assert run("status", "--state-dir", tmp_path).code == 4
    ran = run("status", "--state-dir", tmp_path, "--format", "json")
    assert (ran.code, ran.json["up"]) == (4, False)


def test_a_bug_of_ours_is_called_one(remote, controller, monkeypatch) -> None:
    controller.on("GetJob", lambda _: job_service_pb2.GetJobResponse())

    def broken(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("dioptra_ray.client.jobs.read_job", broken)
    ran = remote("job", "show", 1)
    assert ran.code == 1
    assert "bug" in ran.err
    assert "ZeroDivisionError" in ran.err


@pytest.mark.parametrize(
    ("args", "modules"),
    [
        (["--help"], ["grpc", "rich", "pandas", "google.protobuf", "yaml", "pydantic"]),
        (["job", "--help"], ["grpc", "rich", "pandas", "yaml"]),
        (["sweep", "--help"], ["grpc", "rich", "pandas", "yaml", "matplotlib"]),
        (["up", "--help"], ["grpc", "rich", "yaml"]),
        (["run", "--help"], ["grpc", "rich", "yaml"]),
    ],
)
def test_help_loads_nothing_heavy(args, modules) -> None:
    script = (
        "import sys\n"
        "from dioptra_ray.cli.main import main\n"
        f"sys.argv = ['dioptra-ray', *{args!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {modules!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "args", [("job", "show", "x", "--format", "json"), ("up", "--format=json", "--nonsense")]
)
def test_wrong_usage_is_json_for_scripts(run, args) -> None:
    ran = run(*args)
    assert ran.code == 2
    assert ran.json["error"]["reason"] == "USAGE"
    assert ran.json["error"]["message"] in ran.err


def test_a_missing_token_says_how_to_give_one(remote, controller) -> None:
    def refuse(_):
        raise UnauthenticatedError("no token")

    controller.on("GetJob", refuse)
    ran = remote("job", "show", 1)
    assert ran.code == 1
    assert "--token-file" in ran.err
