"""The examples of docs/security.md: commands that run, settings that are taken."""

import asyncio
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dioptra_controller.bootstrap import Controller
from dioptra_controller.settings import Settings, load_settings
from dioptra_ray.cli.main import cli
from dioptra_workers.__main__ import main as runner
from tests.docs.conftest import examples

PAGE = "security.md"


def commands(block: int) -> list[list[str]]:
    text = [one.text for one in examples(PAGE) if one.language == "sh"][block]
    return [shlex.split(line) for line in text.splitlines()]


async def test_the_commands_about_tokens_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("the-token\n")
    controller = Controller(
        Settings(
            listen="127.0.0.1:0",
            database_url=f"sqlite:///{tmp_path / 'controller.db'}",
            store_url=(tmp_path / "store").as_uri(),
            token_file=tmp_path / "token",
        )
    )
    address = await controller.start()
    monkeypatch.setenv("DIOPTRA_CONTROLLER", address)
    monkeypatch.setenv("DIOPTRA_TOKEN_FILE", str(tmp_path / "token"))
    try:
        for program, *arguments in commands(0):
            assert program == "dioptra-ray"
            done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
            assert done.exit_code == 0, (arguments, done.output)
    finally:
        await controller.stop()


@pytest.mark.parametrize("words", commands(1), ids=lambda words: words[0])
def test_the_options_of_tls_are_there(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ca.crt", "anna.token", "runner.token"):
        (tmp_path / name).write_text("x")
    program, *arguments = words
    command: click.Command = runner
    if program == "dioptra-ray":
        with click.Context(cli) as context:
            found = cli.get_command(context, arguments.pop(0))
        assert found is not None
        command = found
    assert command.make_context(program, arguments).params["ca_file"] == Path("ca.crt")


def test_the_settings_are_taken(tmp_path, monkeypatch):
    blocks = [one.text for one in examples(PAGE) if one.language == "toml"]
    plain = [block.partition("\n[")[0] for block in blocks]
    tables = ["[" + block.partition("\n[")[2] for block in blocks if "\n[" in block]
    config = tmp_path / "controller.toml"
    config.write_text("\n".join([*plain, *tables]))
    for name in ("LISTEN", "DATABASE_URL", "STORE_URL", "TOKEN_FILE"):
        monkeypatch.delenv(f"DIOPTRA_{name}", raising=False)
    settings = load_settings(config)
    assert settings.oidc_roles["operators"] == ["*:admin"]
    assert settings.tls_client_roles["anna"] == ["vision:submitter", "default:viewer"]
