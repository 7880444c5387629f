"""How a channel to a controller is secured, for clients and runners alike.

A token must never travel in the clear where others may listen: without TLS it is sent to this
machine only, unless somebody says explicitly that the network is trusted.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import grpc

from dioptra_ray.errors import InvalidRequestError

TLS_SCHEME = "https://"
PLAIN_SCHEME = "http://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How to speak to a controller.

    Attributes:
        tls: Whether with TLS; also when any of the files is given, or the address begins
            with `https://`.
        ca_file: Certificates (PEM) of who may vouch for the controller; None for those that
            the system trusts.
        cert_file: The own certificate (PEM, with what lies between it and its root), if the
            controller asks for one.
        key_file: Its private key (PEM).
        insecure: Whether a token may be sent without TLS to other machines, because the
            network between is trusted.
    """

    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure: bool = False

    def target(self, address: str) -> str:
        """The HOST:PORT of an address that may begin with `https://` or `http://`."""
        return address.removeprefix(TLS_SCHEME).removeprefix(PLAIN_SCHEME).rstrip("/")

    def is_secure(self, address: str) -> bool:
        """Whether TLS is used for an address.

        Raises:
            InvalidRequestError: The address says `http://`, but TLS is asked for.
        """
        wanted = self.tls or bool(self.ca_file or self.cert_file or self.key_file)
        if address.startswith(PLAIN_SCHEME) and wanted:
            raise InvalidRequestError(f"{address} is without TLS, but TLS is asked for")
        return wanted or address.startswith(TLS_SCHEME)

    def credentials(self, address: str) -> grpc.ChannelCredentials | None:
        """What a channel needs; None without TLS.

        Raises:
            InvalidRequestError: A file cannot be read, or only one of certificate and key is
                given.
        """
        if not self.is_secure(address):
            return None
        if (self.cert_file is None) != (self.key_file is None):
            raise InvalidRequestError("a certificate and its key belong together: give both")
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca_file),
            private_key=_read(self.key_file),
            certificate_chain=_read(self.cert_file),
        )

    def check_token(self, address: str, token: str | None) -> None:
        """Refuse to show a token to everybody on the way.

        Raises:
            InvalidRequestError: It would be sent without TLS to another machine.
        """
        if not token or self.insecure or self.is_secure(address):
            return
        host = self.target(address).rpartition(":")[0]
        if not is_this_machine(host):
            raise InvalidRequestError(
                f"the token would travel to {host} for everybody on the way to read: use TLS "
                "(https://, or the controller's CA), or say that the network is trusted "
                "(insecure=True, --insecure, DIOPTRA_INSECURE=1)"
            )


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host stays on this machine."""
    name = host.removeprefix("[").removesuffix("]")
    if name in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{path}: {error.strerror}") from error
    if b"-----BEGIN " not in content:
        raise InvalidRequestError(f"{path} is no PEM file of certificates or a key")
    return content
