"""Certificates of the listener, read again whenever their files change: no restart is needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import structlog

from dioptra_ray.errors import InvalidRequestError

_log = structlog.get_logger("dioptra_controller.tls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What TLS needs.

    Attributes:
        cert: Certificate chain of the controller (PEM).
        key: Its private key (PEM).
        client_ca: Who vouches for clients and runners (PEM); every caller must then show a
            certificate. None asks for none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


class Certificates:
    """The present certificates, for every new connection.

    gRPC asks before each handshake. What cannot be used is logged, and the last that could be
    goes on being used: a half-written renewal must not end the service.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._seen = self._look()
        self._present = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """What the listener needs."""
        made: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
            self._present,
            self.fetch,
            require_client_authentication=self._files.client_ca is not None,
        )
        return made

    def fetch(self) -> Any:
        """New certificates, or None while nothing has changed; gRPC calls it from its threads."""
        try:
            seen = self._look()
            if seen == self._seen:
                return None
            self._present = self._read()
        except InvalidRequestError as error:
            _log.warning("certificate.unusable", message=error.message)
            return None
        self._seen = seen
        _log.info("certificate.renewed", file=str(self._files.cert))
        return self._present

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        """Something that is another value once a file is another one."""
        found = []
        for path in (self._files.cert, self._files.key, self._files.client_ca):
            if path is not None:
                try:
                    state = path.stat()
                except OSError as error:
                    raise InvalidRequestError(f"{path}: {error.strerror}") from error
                found.append((state.st_mtime_ns, state.st_size, state.st_ino))
        return tuple(found)

    def _read(self) -> Any:
        files = self._files
        cert, key = _read(files.cert, b"CERTIFICATE"), _read(files.key, b"PRIVATE KEY")
        _check_pair(files)
        roots = None if files.client_ca is None else _read(files.client_ca, b"CERTIFICATE")
        return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=roots)


def _read(path: Path, what: bytes) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{path}: {error.strerror}") from error
    if what + b"-----" not in content:
        raise InvalidRequestError(f"{path} is no PEM file with a {what.decode().lower()}")
    return content


def _check_pair(files: Files) -> None:
    """Find out now what gRPC would only log at each handshake."""
    import ssl  # noqa: PLC0415 - only with TLS

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.cert, files.key)
    except (ssl.SSLError, OSError) as error:
        raise InvalidRequestError(
            f"{files.cert} and {files.key} are no certificate with its key: {error}"
        ) from error
