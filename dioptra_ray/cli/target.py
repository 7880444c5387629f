"""Which deployment a command talks to."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from dioptra_ray.cli.paths import FILE, NEW_FOLDER

if TYPE_CHECKING:
    from dioptra_ray.client import Client

PATIENCE: Final = 5.0
WATCH_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployment: the one at an address, or the embedded one of a state directory."""

    controller: str | None
    token_file: Path | None
    state_dir: Path | None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure: bool = False

    def connect(self, *, patience: float | None = None) -> "Client":
        """Connect to it; give up soon if nobody answers, unless told to be patient.

        Raises:
            UnavailableError: No address is given, and no embedded deployment is up.
        """
        from dioptra_ray.client import Client  # noqa: PLC0415 - grpc is slow to load

        token = self.token_file.read_text(encoding="utf-8").strip() if self.token_file else None
        return Client(
            self.controller,
            token=token,
            state_dir=self.state_dir,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
            insecure=self.insecure,
            patience=PATIENCE if patience is None else patience,
            tell=lambda text: click.echo(text, err=True),
        )

    def options(self) -> str:
        """The options that lead there again, for messages."""
        given = {
            "--controller": self.controller,
            "--token-file": self.token_file,
            "--ca-file": self.ca_file,
            "--cert-file": self.cert_file,
            "--key-file": self.key_file,
            "--state-dir": self.state_dir,
        }
        said = "".join(f" {name} {value}" for name, value in given.items() if value)
        return said + (" --insecure" if self.insecure else "")


def with_state_dir(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--state-dir`."""
    return click.option(
        "--state-dir",
        type=NEW_FOLDER,
        envvar="DIOPTRA_STATE_DIR",
        help="State directory of the embedded deployment; ~/.dioptra-ray if not given.",
    )(function)


def with_target(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a deployment and, as `target`, that deployment."""

    @click.option(
        "--controller",
        metavar="HOST:PORT",
        envvar="DIOPTRA_CONTROLLER",
        help="Address of the controller, https://HOST:PORT for TLS; the embedded deployment's "
        "if not given.",
    )
    @click.option(
        "--token-file",
        type=FILE,
        envvar="DIOPTRA_TOKEN_FILE",
        help="File with the bearer token.",
    )
    @click.option(
        "--ca-file",
        type=FILE,
        envvar="DIOPTRA_CA_FILE",
        help="Certificates (PEM) of who vouches for the controller, for TLS.",
    )
    @click.option(
        "--cert-file",
        type=FILE,
        envvar="DIOPTRA_CERT_FILE",
        help="Your own certificate (PEM), if the controller asks for one.",
    )
    @click.option("--key-file", type=FILE, envvar="DIOPTRA_KEY_FILE", help="Its private key (PEM).")
    @click.option(
        "--insecure",
        is_flag=True,
        envvar="DIOPTRA_INSECURE",
        help="Send the token to other machines without TLS: the network is trusted.",
    )
    @with_state_dir
    @functools.wraps(function)
    def wrapper(  # noqa: PLR0913 - one argument an option
        *args: Any,
        controller: str | None,
        token_file: Path | None,
        ca_file: Path | None,
        cert_file: Path | None,
        key_file: Path | None,
        insecure: bool,
        state_dir: Path | None,
        **kwargs: Any,
    ) -> Any:
        target = Target(
            controller=controller,
            token_file=token_file,
            state_dir=state_dir,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
            insecure=insecure,
        )
        return function(*args, target=target, **kwargs)

    return wrapper
