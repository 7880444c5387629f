"""The command `dioptra-ray`: finds sub-commands, and turns errors into exit codes.

This module imports only click, so that `--help` and completion answer at once; a sub-command's
module is imported when it is run.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, Final

import click

from dioptra_ray.cli.exits import CANCELLED, exit_code

# Name, module below dioptra_ray.cli, function, and what `--help` says.
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "up": ("deployment", "up", "Start the embedded deployment: controller, runner and Ray."),
    "down": ("deployment", "down", "Stop the embedded deployment; its state stays."),
    "status": ("deployment", "status", "Show the deployment and its runners."),
    "init": ("init", "init", "Make a new project folder that validates, runs and imports."),
    "import": ("project", "import_project", "Register the plugins, types and entrypoints."),
    "validate": ("validate", "validate", "Check a description, without any server."),
    "plan": ("plan", "plan", "Show the stages that a description compiles to."),
    "run": ("run", "run", "Run a description or an entrypoint, and watch it to its end."),
    "job": ("job", "job", "Jobs: one run of an entrypoint each."),
    "sweep": ("sweep", "sweep", "Sweeps: many jobs over a space of parameters."),
    "artifact": ("artifact", "artifact", "Artifacts: what jobs have stored."),
    "plugin": ("plugin", "plugin", "Registered plugins."),
    "entrypoint": ("entrypoint", "entrypoint", "Registered entrypoints."),
    "task": ("task", "task", "Tasks of all plugins."),
    "type": ("parameter_type", "parameter_type", "Registered parameter types."),
    "experiment": ("experiment", "experiment", "Experiments: namespaces for jobs."),
    "queue": ("queue", "queue", "Queues: where jobs wait."),
    "tag": ("tag", "tag", "Tags: words on anything, to find it again."),
    "whoami": ("access", "whoami", "Show who you are to the controller."),
    "token": ("access", "token", "Tokens: what callers of the controller show."),
    "group": ("access", "group", "Groups: what things belong to."),
    "audit": ("access", "audit", "Who did what."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"dioptra_ray.cli.{module}"), function)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *_: Any,
        **extra: Any,
    ) -> Any:
        """Run, and leave with an exit code that scripts can trust."""
        extra["standalone_mode"] = False
        try:
            result = super().main(args, prog_name, **extra)
            # What a script piped us into may be gone already; find out while we can say so.
            sys.stdout.flush()
        except click.ClickException as error:
            if _wants_json(sys.argv[1:] if args is None else args):
                _show_json(error)
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(CANCELLED)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:  # noqa: BLE001 - told apart in one place
            sys.exit(exit_code(error))
        sys.exit(result if isinstance(result, int) else 0)


def _wants_json(args: Sequence[str]) -> bool:
    """Whether a script reads stdout; the arguments may be wrong, so no parser says so."""
    given = list(args)
    return "--format=json" in given or ("--format", "json") in pairwise(given)


def _show_json(error: click.ClickException) -> None:
    from dioptra_ray.cli.output import Output  # noqa: PLC0415 - only for errors

    described = {"reason": "USAGE", "message": error.format_message()}
    Output("json").json({"error": described})


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dioptra-ray", prog_name="dioptra-ray")
def cli() -> None:
    """Run NIST Dioptra entrypoints as typed task graphs on a Ray cluster.

    Exit codes: 0 all went well; 1 a job failed, or the input is invalid; 2 wrong usage;
    3 not found; 4 no deployment answers; 130 interrupted.
    """
    # gRPC's own log lines tell users nothing that our errors do not.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def main() -> None:
    """Run the command line."""
    cli(prog_name="dioptra-ray")
