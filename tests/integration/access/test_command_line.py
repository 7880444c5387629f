"""The command line: tokens, groups and who one is."""

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dioptra_ray.cli.main import cli

Run = Callable[..., Awaitable[Any]]


@pytest.fixture
def run(controller, settings) -> Run:
    """Runs a command as somebody with a token file; bootstrap if none is named."""

    async def run_one(*arguments: str, token_file: Any = None) -> Result:
        where = ("--controller", controller.address)
        token = ("--token-file", str(token_file or settings.token_file))
        return await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, *where, *token])

    return run_one


async def test_from_a_group_to_a_refusal(run, tmp_path):
    assert (await run("group", "create", "red", "--description", "The reds")).exit_code == 0
    anna = tmp_path / "anna"
    made = await run(
        "token", "create", "anna", "--role", "red:viewer", "--expires", "30d",
        "--secret-file", str(anna),
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(anna.stat().st_mode) == 0o600
    assert anna.read_text().startswith("drt_")
    assert anna.read_text().strip() not in made.output
    who = await run("whoami", "--format", "json", token_file=anna)
    assert json.loads(who.stdout) == {
        "subject": "anna",
        "token": "anna",
        "roles": {"red": "viewer"},
        "is_runner": False,
    }
    assert "red:viewer" in (await run("whoami", token_file=anna)).stdout
    refused = await run("experiment", "create", "mine", token_file=anna)
    assert refused.exit_code == 1
    assert "needs the role submitter in a group" in refused.output
    groups = await run("group", "list", "--format", "json", token_file=anna)
    assert [one["name"] for one in json.loads(groups.stdout)] == ["red"]


async def test_a_secret_is_shown_once_and_a_token_ends(run, tmp_path):
    made = await run(
        "token", "create", "ci", "--role", "default:plugin-author", "--runner", "--format", "json"
    )
    secret = json.loads(made.stdout)["secret"]
    assert secret.startswith("drt_")
    file = tmp_path / "ci"
    file.write_text(secret)
    created = await run("experiment", "create", "mine", "--format", "json", token_file=file)
    assert json.loads(created.stdout)["group"] == "default"
    listed = await run("token", "list")
    assert "ci" in listed.stdout
    assert secret not in listed.output
    assert (await run("token", "revoke", "ci")).exit_code == 0
    ended = await run("whoami", token_file=file)
    assert ended.exit_code == 1
    assert "was revoked" in ended.output
    assert "ci" not in (await run("token", "list")).stdout
    assert "ci" in (await run("token", "list", "--ended")).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--role", "red"), "is not GROUP:ROLE"),
        (("--role", "red:king"), "is not GROUP:ROLE"),
        (("--role", "red:viewer", "--expires", "soon"), "is no time such as"),
        (("--role", "a:viewer", "--role", "a:admin"), "names a group twice"),
        ((), "has no role"),
        (("--role", "red:viewer"), "there is no group 'red'"),
    ],
)
async def test_what_is_wrong_is_said(run, tmp_path, arguments, said):
    file = tmp_path / "secret"
    failed = await run("token", "create", "x", *arguments, "--secret-file", str(file))
    assert failed.exit_code != 0
    assert said in failed.output
    assert not file.exists()
