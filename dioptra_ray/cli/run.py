"""`dioptra-ray run`: one job, watched to its end, on a deployment or in this process."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dioptra_ray.cli.assignments import find_artifacts, with_assignments, with_swaps
from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import FOLDER, NEW_FOLDER
from dioptra_ray.cli.submission import Submission, with_submission
from dioptra_ray.cli.target import WATCH_PATIENCE, Target, with_target
from dioptra_ray.cli.wording import WHERE_PLUGINS_ARE
from dioptra_ray.errors import NotFoundError

if TYPE_CHECKING:
    from dioptra_ray.client import Client


@click.command()
@click.argument("what", metavar="FILE|ENTRYPOINT")
@with_assignments
@with_swaps
@with_submission
@click.option("--plugins", type=FOLDER, help="Folder with the plugins that FILE uses.")
@click.option("--local", is_flag=True, help="In this process: no server, no Ray.")
@click.option(
    "--working-dir",
    type=NEW_FOLDER,
    help="With --local: where the steps work; a temporary folder if not given.",
)
@with_target
@with_output
def run(  # noqa: PLR0913 - one argument an option
    *,
    what: str,
    parameters: dict[str, str],
    artifacts: dict[str, str],
    swaps: dict[str, str],
    submission: Submission,
    plugins: Path | None,
    local: bool,
    working_dir: Path | None,
    target: Target,
    output: Output,
) -> int:
    """Run a description or a registered entrypoint; exit 0 only if it finishes.

    A FILE is registered first, with the plugins of --plugins or with the project whose
    dioptra.toml declares it. Ctrl-C leaves the job running. With --local, an artifact is
    given as -A NAME=PATH:TASK, where TASK is "plugin.module.Class".
    """
    file = Path(what)
    _check_file(file, what, must_exist=local)
    if local:
        from dioptra_ray.cli.local import run_locally  # noqa: PLC0415 - only for --local

        return run_locally(
            file,
            parameters=parameters,
            artifacts=artifacts,
            swaps=swaps,
            plugins_dir=plugins,
            working_dir=working_dir,
            output=output,
        )
    from dioptra_ray.cli.follow import follow_to_end  # noqa: PLC0415 - grpc is slow to load
    from dioptra_ray.wire.values import TextValue  # noqa: PLC0415

    with target.connect(patience=WATCH_PATIENCE) as client:
        entrypoint = _register(client, file, plugins) if file.is_file() else what
        job = client.jobs.submit(
            entrypoint,
            {name: TextValue(text) for name, text in parameters.items()},
            find_artifacts(client, artifacts),
            swaps=swaps,
            **submission.arguments(),
        )
        output.note(f"job {job.id} of {entrypoint}")
        return follow_to_end(client, job, target, output)


def _check_file(file: Path, what: str, *, must_exist: bool) -> None:
    """Tell files from names of entrypoints.

    Raises:
        click.BadParameter: It is meant to be a file, and is none that can be read.
    """
    looks_like_one = file.suffix in {".yaml", ".yml", ".json"} or what.startswith(("./", "../"))
    if not file.exists():
        if must_exist or looks_like_one:
            raise click.BadParameter(f"there is no file {what!r}", param_hint="FILE")
    elif file.is_dir() and (must_exist or looks_like_one or "/" in what):
        raise click.BadParameter(
            f"{what!r} is a directory; name the file with the description", param_hint="FILE"
        )
    elif not file.is_file() and not file.is_dir():
        raise click.BadParameter(
            f"{what!r} is a device or a pipe; name a file with a description", param_hint="FILE"
        )


def _register(client: "Client", file: Path, plugins_dir: Path | None) -> str:
    """Put what a file needs, and the file, into the registry; return the entrypoint's name.

    Raises:
        InvalidDescriptionError: It is wrong; it was not registered.
    """
    from dioptra_ray.cli.description import describe  # noqa: PLC0415 - only for files

    described = describe(file, plugins_dir)
    described.check()
    if described.project is not None:
        client.import_project(described.project.config)
        return described.project.entrypoint
    for plugin in described.plugins.plugins:
        client.plugins.put(plugin.files, name=plugin.name, description=plugin.description)
    try:
        stored = client.entrypoints.put(
            file.stem, file, plugins=described.plugin_names, source_file=str(file)
        )
    except NotFoundError as error:
        if plugins_dir is not None:
            raise
        message = f"{error.message}. {WHERE_PLUGINS_ARE}"
        raise NotFoundError(message, **error.metadata) from None
    return stored.name
