"""`dioptra-controller`, also `python -m dioptra_controller`."""

import asyncio
import sys
from pathlib import Path

import click

from dioptra_controller import __version__
from dioptra_ray.errors import DioptraError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file of the same keys as the DIOPTRA_* variables, which win over it.",
)
@click.version_option(__version__)
def main(config: Path | None) -> None:
    """Run the controller: registry, scheduler and state behind one gRPC server."""
    from dioptra_controller.observability import configure_logging  # noqa: PLC0415 - --help is quick
    from dioptra_controller.settings import load_settings  # noqa: PLC0415

    try:
        settings = load_settings(config)
        configure_logging(settings.log_level)
        from dioptra_controller.bootstrap import serve  # noqa: PLC0415

        asyncio.run(serve(settings))
    except DioptraError as error:
        click.echo(f"dioptra-controller: {error.message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
