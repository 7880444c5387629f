"""What the controller is told: environment variables `DIOPTRA_*` over a TOML file.

Read once at start, frozen, passed down as values; nothing else reads the environment.
"""

import ipaddress
import urllib.parse
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dioptra_controller.access.grants import read_grants
from dioptra_controller.limits.traffic import TrafficLimits
from dioptra_ray.errors import InvalidRequestError


class Settings(BaseSettings):
    """The settings of one controller.

    Attributes:
        listen: HOST:PORT; port 0 takes any free one.
        database_url: `sqlite:////absolute/path.db` or `postgresql+psycopg://...`.
        store_url: `file:///absolute/dir` or `s3://bucket/prefix`.
        force_new_store: Whether to take another store than that of the last start, though the
            plugins and artifacts of the database are not in it.
        forget_runners: Whether no runner of before this start is alive: their jobs are queued
            again at once, and not only when their leases have run out.
        token_file: Holds the bearer token that every call must bring.
        tls_cert_file: Certificate chain (PEM) to listen with TLS; read again when it changes.
        tls_key_file: Its private key (PEM).
        tls_client_ca_file: Who vouches for callers (PEM); each must then show a certificate.
        tls_client_roles: What callers may do who show a certificate and no token, by a name in
            it: lists of "GROUP:ROLE" and "runner".
        oidc_issuer: The OpenID provider whose tokens (JWT) are good, too.
        oidc_audience: Whom its tokens must be meant for.
        oidc_jwks: https URL, or file, with its keys.
        oidc_subject_claim: The claim that says who it is.
        oidc_roles_claim: The claim whose words give roles.
        oidc_roles: What each word gives: lists of "GROUP:ROLE" and "runner".
        oidc_leeway_seconds: By how much its clock may differ from ours.
        address_file: Gets the bound address once the server serves.
        lease_seconds: After how long without a heartbeat a runner has lost its jobs.
        shutdown_grace_seconds: How long calls that are being answered may take to end when
            the controller stops; watchers are sent away at once, and come again.
        max_upload_bytes: How large an uploaded artifact may be.
        saved_stages_seconds: For how long the outputs of a failed job's finished stages are kept
            for `job retry --from-failed`.
        keep_logs_seconds: For how long what an ended job said is kept; 0 for ever, as for the
            other times here.
        keep_events_seconds: For how long its events are kept, which say how it came to its end.
        keep_jobs_seconds: For how long ended jobs and sweeps are kept altogether; those that
            made artifacts are kept for as long as these.
        keep_requests_seconds: For how long a repeated request id gives the first call's result.
        keep_runners_seconds: For how long a runner that is gone is remembered.
        sqlite_synchronous: What a commit on SQLite survives: "normal" the end of any process,
            "full" also a power cut, for which each commit waits for the disk.
        garbage_grace_seconds: How old something in the store that nothing refers to must be
            before it is deleted.
        garbage_pause_seconds: Between two looks for it; 0 looks only when asked to.
        download_link_seconds: For how long clients may fetch an artifact's file from an S3
            store itself; 0 lets them fetch it through the controller only.
        audit_seconds: For how long the audit log keeps who did what.
        calls_per_second: How often one caller may call; 0 as often as it likes, as for the
            other limits here. The token of `token_file` and runners have none of them.
        changes_per_second: How often one caller may create or change something.
        upload_bytes_per_second: How fast one caller may send; what is faster is slowed down.
        burst_seconds: For how many seconds' worth a caller may exceed these at first.
        streams_per_caller: How many watches, downloads and uploads one caller may have open.
        streams: How many all callers may have open together.
        call_seconds: How long a call may take that brings no deadline of its own, and how long
            an upload may say nothing.
        log_level: DEBUG, INFO, WARNING or ERROR.
    """

    model_config = SettingsConfigDict(env_prefix="DIOPTRA_", frozen=True, extra="forbid")

    listen: str = "127.0.0.1:50051"
    database_url: SecretStr
    store_url: str
    force_new_store: bool = False
    forget_runners: bool = False
    token_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None
    tls_client_roles: dict[str, list[str]] = Field(default_factory=dict)
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks: str = ""
    oidc_subject_claim: str = "sub"
    oidc_roles_claim: str = "groups"
    oidc_roles: dict[str, list[str]] = Field(default_factory=dict)
    oidc_leeway_seconds: float = Field(default=60.0, ge=0, le=600)
    address_file: Path | None = None
    lease_seconds: float = Field(default=30.0, gt=0)
    shutdown_grace_seconds: float = Field(default=10.0, ge=0)
    max_upload_bytes: int = Field(default=16 * 1024**3, gt=0)
    saved_stages_seconds: float = Field(default=7 * 86400.0, gt=0)
    keep_logs_seconds: float = Field(default=365 * 86400.0, ge=0)
    keep_events_seconds: float = Field(default=365 * 86400.0, ge=0)
    keep_jobs_seconds: float = Field(default=0.0, ge=0)
    keep_requests_seconds: float = Field(default=30 * 86400.0, ge=0)
    keep_runners_seconds: float = Field(default=30 * 86400.0, ge=0)
    sqlite_synchronous: Literal["normal", "full"] = "normal"
    garbage_grace_seconds: float = Field(default=86400.0, ge=3600)
    garbage_pause_seconds: float = Field(default=21600.0, ge=0)
    download_link_seconds: int = Field(default=300, ge=0, le=3600)
    audit_seconds: float = Field(default=90 * 86400.0, gt=0)
    calls_per_second: float = Field(default=500, ge=0)
    changes_per_second: float = Field(default=200, ge=0)
    upload_bytes_per_second: float = Field(default=1024**3, ge=0)
    burst_seconds: float = Field(default=10, gt=0)
    streams_per_caller: int = Field(default=1000, ge=0)
    streams: int = Field(default=5000, ge=0)
    call_seconds: float = Field(default=300, gt=0)
    log_level: str = "INFO"

    @property
    def traffic(self) -> TrafficLimits:
        """How often, how fast and how many at once each caller may call."""
        return TrafficLimits(
            calls_per_second=self.calls_per_second,
            changes_per_second=self.changes_per_second,
            upload_bytes_per_second=self.upload_bytes_per_second,
            burst_seconds=self.burst_seconds,
            streams_per_caller=self.streams_per_caller,
            streams=self.streams,
        )

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return level.upper()

    @field_validator("keep_requests_seconds", "keep_runners_seconds")
    @classmethod
    def _not_too_soon(cls, seconds: float) -> float:
        if 0 < seconds < SHORTEST_KEEP_SECONDS:
            raise ValueError(
                "must be an hour or more, or 0 for ever: clients and runners that lost their "
                "connection rely on it when they come back"
            )
        return seconds

    @model_validator(mode="after")
    def _token_beyond_loopback(self) -> Self:
        host, port = split_address(self.listen)
        if not port.isascii() or not port.isdecimal() or int(port) > MAX_PORT:
            raise ValueError(f"listen is {self.listen!r}, but must be HOST:PORT")
        if self.token_file is None and not is_loopback(host):
            raise ValueError(
                f"listen is {self.listen!r}, which others can reach, but there is no token: "
                "set token_file (DIOPTRA_TOKEN_FILE), or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together: set both")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        return self

    @field_validator("tls_client_roles", "oidc_roles")
    @classmethod
    def _known_roles(cls, roles: dict[str, list[str]]) -> dict[str, list[str]]:
        for grants in roles.values():
            read_grants(grants)
        return roles

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        parts = {
            name: getattr(self, name) for name in ("oidc_issuer", "oidc_audience", "oidc_jwks")
        }
        if not any(parts.values()):
            return self
        if missing := [name for name, value in parts.items() if not value]:
            raise ValueError(f"an OpenID provider also needs {', '.join(missing)}")
        _check_source(self.oidc_jwks)
        if self.token_file is None:
            raise ValueError("an OpenID provider needs token_file, too: without it all are admin")
        return self


MAX_PORT = 65535
SHORTEST_KEEP_SECONDS = 3600.0


def load_settings(config: Path | None = None) -> Settings:
    """Read the environment, and `config` (TOML of the same keys) for what it does not say.

    Raises:
        InvalidRequestError: Something is missing, unknown or wrong; the message names all.
    """
    if config is not None and not config.is_file():
        raise InvalidRequestError(f"there is no configuration file {config}")

    class FileSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            if config is None:
                return (env_settings,)
            return env_settings, TomlConfigSettingsSource(settings_cls, config)

    try:
        return FileSettings()  # type: ignore[call-arg]
    except ValidationError as error:
        problems = [_say(list(item["loc"]), item["msg"]) for item in error.errors()]
        raise InvalidRequestError("the settings are wrong: " + "; ".join(problems)) from None
    except ValueError as error:
        raise InvalidRequestError(f"{config} is not TOML: {error}") from error


def read_token(file: Path | None) -> str | None:
    """Read the bearer token, if a file for it was named.

    Raises:
        InvalidRequestError: The file is missing or empty.
    """
    if file is None:
        return None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidRequestError(f"token_file {file}: {error.strerror}") from error
    if not token:
        raise InvalidRequestError(f"token_file {file} is empty; write one long random word")
    return token


def split_address(address: str) -> tuple[str, str]:
    """Split HOST:PORT; brackets around an IPv6 host fall away."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _say(location: list[int | str], message: str) -> str:
    name = ".".join(map(str, location))
    text = message.removeprefix("Value error, ")
    return f"{name} (DIOPTRA_{name.upper()}): {text}" if name else text


def _check_source(source: str) -> None:
    """Refuse keys that others could change on the way."""
    parts = urllib.parse.urlsplit(source)
    if parts.scheme in {"", "https"}:
        return
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        raise ValueError(f"oidc_jwks is {source!r}, but must be an https URL, or a file")
