"""The command `dioptra-runner`."""

import asyncio
import logging
import os
import socket
import sys
import tempfile
from pathlib import Path

import click

from dioptra_ray.wire.transport import Transport
from dioptra_workers.runner.cluster import prepare_environment
from dioptra_workers.settings import DEFAULT_SAVE_LIMIT, RunnerSettings

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(context_settings={"show_default": True})
@click.option(
    "--controller",
    envvar="DIOPTRA_RUNNER_CONTROLLER",
    default="127.0.0.1:50051",
    help="HOST:PORT of the controller, https://HOST:PORT for TLS.",
)
@click.option(
    "--ray-address",
    envvar="DIOPTRA_RUNNER_RAY_ADDRESS",
    default="auto",
    help='"local" starts a Ray on this machine; else "auto" or HOST:PORT.',
)
@click.option(
    "--queues",
    envvar="DIOPTRA_RUNNER_QUEUES",
    default="default",
    help='Queues that it serves, separated by commas; "*" for all, also those made later.',
)
@click.option(
    "--slots",
    envvar="DIOPTRA_RUNNER_SLOTS",
    default=None,
    type=click.IntRange(min=1),
    help="How many jobs it takes at once; twice the CPUs of the cluster if not given.",
)
@click.option(
    "--name", envvar="DIOPTRA_RUNNER_NAME", default=socket.gethostname, help="Name for people."
)
@click.option(
    "--store-url",
    envvar="DIOPTRA_STORE_URL",
    required=True,
    help="Artifact store, as workers reach it: file:///... or s3://bucket/prefix.",
)
@click.option(
    "--scratch-dir",
    envvar="DIOPTRA_RUNNER_SCRATCH_DIR",
    default=Path(tempfile.gettempdir(), "dioptra-ray"),
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory on every node for working directories and plugins.",
)
@click.option(
    "--token-file",
    envvar="DIOPTRA_TOKEN_FILE",
    default=None,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File with the bearer token for the controller.",
)
@click.option(
    "--ca-file",
    envvar="DIOPTRA_CA_FILE",
    default=None,
    type=_FILE,
    help="Certificates (PEM) of who vouches for the controller, for TLS.",
)
@click.option(
    "--cert-file",
    envvar="DIOPTRA_CERT_FILE",
    default=None,
    type=_FILE,
    help="The runner's own certificate (PEM), if the controller asks for one.",
)
@click.option(
    "--key-file",
    envvar="DIOPTRA_KEY_FILE",
    default=None,
    type=_FILE,
    help="Its private key (PEM).",
)
@click.option(
    "--insecure",
    envvar="DIOPTRA_INSECURE",
    is_flag=True,
    help="Send the token to another machine without TLS: the network is trusted.",
)
@click.option(
    "--num-cpus",
    envvar="DIOPTRA_RUNNER_NUM_CPUS",
    default=None,
    type=int,
    help="CPUs of a local Ray, if not all of the machine.",
)
@click.option(
    "--warm",
    envvar="DIOPTRA_RUNNER_WARM",
    default=None,
    type=click.IntRange(min=0),
    help="How many CPUs of its node it may hold for warm processes; if not given, all of a "
    "local Ray and none of another.",
)
@click.option(
    "--save-limit",
    envvar="DIOPTRA_RUNNER_SAVE_LIMIT",
    default=DEFAULT_SAVE_LIMIT,
    type=click.IntRange(min=0),
    help="How many bytes of what a finished stage made are kept at most for "
    "`dioptra-ray job retry --from-failed` when its job fails; 0 keeps nothing.",
)
@click.option(
    "--drain",
    envvar="DIOPTRA_RUNNER_DRAIN",
    default=0.0,
    type=click.FloatRange(min=0),
    help="For how many seconds after SIGTERM it goes on with the jobs that it holds, while it "
    "takes no new ones; then, or at a second SIGTERM, it stops them and hands them back.",
)
@click.option(
    "--temporary-dir",
    envvar="DIOPTRA_RUNNER_TEMPORARY_DIR",
    default=None,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="An empty directory with a short path for the files of a local Ray, removed at the "
    "end; one in /tmp if not given.",
)
@click.option("--log-level", envvar="DIOPTRA_LOG_LEVEL", default="INFO", help="DEBUG to ERROR.")
def main(  # noqa: PLR0913 - one argument an option
    *,
    controller: str,
    ray_address: str,
    queues: str,
    slots: int | None,
    name: str,
    store_url: str,
    scratch_dir: Path,
    token_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    insecure: bool,
    num_cpus: int | None,
    warm: int | None,
    save_limit: int,
    drain: float,
    temporary_dir: Path | None,
    log_level: str,
) -> None:
    """Run jobs of a dioptra-ray controller on a Ray cluster."""
    logging.basicConfig(
        level=log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    settings = RunnerSettings(
        controller=controller,
        ray_address=ray_address,
        queues=tuple(queue.strip() for queue in queues.split(",") if queue.strip()),
        slots=slots,
        name=name,
        store_url=store_url,
        scratch_dir=scratch_dir.absolute(),
        token_file=token_file and token_file.absolute(),
        transport=Transport(
            ca_file=ca_file and ca_file.absolute(),
            cert_file=cert_file and cert_file.absolute(),
            key_file=key_file and key_file.absolute(),
            insecure=insecure,
        ),
        num_cpus=num_cpus,
        warm=warm,
        save_limit=save_limit,
        drain=drain,
        temporary_dir=temporary_dir,
    )
    # Ray puts the driver's directory on the path of all its workers.
    os.chdir("/")
    prepare_environment(ray_address)
    from dioptra_workers.runner.service import serve  # noqa: PLC0415 - imports Ray: slow

    sys.exit(asyncio.run(serve(settings)))


if __name__ == "__main__":
    main()
