"""Puts the controller together: the only place that knows every class.

`Controller` is what tests start too, on port 0 with a temporary database.
"""

import asyncio
import datetime as dt
import os
import signal
from pathlib import Path

import sqlalchemy
import structlog

from dioptra_controller import __version__
from dioptra_controller.access import auditing
from dioptra_controller.access.audit_retention import AuditRetention
from dioptra_controller.access.openid import OpenId, OpenIdSettings
from dioptra_controller.access.signing_keys import SigningKeys
from dioptra_controller.access.verifying import Verifier
from dioptra_controller.artifacts import residence
from dioptra_controller.artifacts.collector import Collector
from dioptra_controller.database import migrate
from dioptra_controller.database.claim import Claim
from dioptra_controller.database.engine import Database
from dioptra_controller.database.migrate import check_newest, upgrade
from dioptra_controller.housekeeping import Deleted, Housekeeper
from dioptra_controller.jobs.retention import Retention
from dioptra_controller.rpc.gate import Gate
from dioptra_controller.rpc.server import Server
from dioptra_controller.rpc.services import make_services
from dioptra_controller.rpc.tls import Files
from dioptra_controller.scheduling.hub import Hub
from dioptra_controller.settings import Settings, read_token
from dioptra_ray.store import open_store

_log = structlog.get_logger("dioptra_controller")


class Controller:
    """One controller, from settings to a serving address and back.

    Attributes:
        address: HOST:PORT that it serves on; empty unless started.
        database: Where everything is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.database = open_database(settings)
        self._claim = Claim(settings.database_url.get_secret_value())
        self._store = open_store(settings.store_url)
        self._hub: Hub | None = None
        self._retention: Retention | None = None
        self._housekeeper: Housekeeper | None = None
        self._audit_retention: AuditRetention | None = None
        self._collector: Collector | None = None
        self._server: Server | None = None
        self._verifier: Verifier | None = None
        self.address = ""

    async def start(self) -> str:
        """Migrate the database, listen, and say where.

        Raises:
            DioptraError: The database, the store or the address cannot be used; everything
                is closed again.
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> str:
        token = read_token(self._settings.token_file)
        self._claim.take()
        await asyncio.to_thread(upgrade, self.database)
        if not self._settings.force_new_store:
            await self.database.read(residence.check, self._store.url)
        await asyncio.to_thread(self._store.check)
        self._hub = Hub(self.database)
        self.database.on_commit = self._hub.committed
        self.database.before_commit = auditing.append
        await self._hub.start(
            self._settings.lease_seconds, forget_runners=self._settings.forget_runners
        )
        self._collector = Collector(
            self.database,
            self._store,
            grace=dt.timedelta(seconds=self._settings.garbage_grace_seconds),
            now=self._hub.now,
            is_on_duty=self._hub.is_on_duty,
        )
        self._verifier = Verifier(
            self.database,
            token,
            openid=_openid(self._settings),
            certificates=self._settings.tls_client_roles,
        )
        services = make_services(
            self.database,
            self._store,
            self._hub,
            collector=self._collector,
            settings=self._settings,
            verifier=self._verifier,
        )
        self._server = Server(
            services,
            verifier=self._verifier,
            database=self.database,
            gate=Gate(self._settings.traffic, self._settings.call_seconds),
            tls=_tls(self._settings),
        )
        self.address = await self._server.start(self._settings.listen)
        # Now that nothing can fail any more: what did not start must not be remembered.
        await self.database.write(residence.settle, self._store.url, now=self._hub.now())
        if self._settings.address_file is not None:
            write_atomically(self._settings.address_file, self.address)
        keep = dt.timedelta(seconds=self._settings.saved_stages_seconds)
        self._retention = Retention(
            self.database,
            self._store,
            keep=keep,
            now=self._hub.now,
            is_on_duty=self._hub.is_on_duty,
        )
        self._retention.start()
        self._housekeeper = Housekeeper(
            self.database,
            self._settings,
            now=self._hub.now,
            connected=self._hub.connected,
            is_on_duty=self._hub.is_on_duty,
        )
        self._housekeeper.start()
        keep = dt.timedelta(seconds=self._settings.audit_seconds)
        self._audit_retention = AuditRetention(self.database, keep=keep)
        self._audit_retention.start()
        if self._settings.garbage_pause_seconds:
            pause = dt.timedelta(seconds=self._settings.garbage_pause_seconds)
            self._collector.start(pause)
        _log.info("controller.serving", address=self.address, version=__version__)
        return self.address

    async def stop(self) -> None:
        """Finish what runs and close everything; idempotent."""
        if self._server is not None:
            await self._server.refuse()
        if self._retention is not None:
            await self._retention.stop()
        if self._housekeeper is not None:
            await self._housekeeper.stop()
        if self._audit_retention is not None:
            await self._audit_retention.stop()
        if self._collector is not None:
            await self._collector.stop()
        if self._hub is not None:
            # Ends the streams of runners, which would otherwise hold the server up.
            await self._hub.stop()
        if self._server is not None:
            await self._server.stop(self._settings.shutdown_grace_seconds)
        if self._verifier is not None:
            await self._verifier.close()
        await asyncio.to_thread(self.database.close)
        self._claim.release()
        if self.address and self._settings.address_file is not None:
            self._settings.address_file.unlink(missing_ok=True)
        _log.info("controller.stopped", address=self.address)


async def serve(settings: Settings) -> None:
    """Run a controller until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    controller = Controller(settings)
    try:
        await controller.start()
        await stopping.wait()
    finally:
        await controller.stop()


def _openid(settings: Settings) -> OpenId | None:
    if not settings.oidc_issuer:
        return None
    provider = OpenIdSettings(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        jwks=settings.oidc_jwks,
        subject_claim=settings.oidc_subject_claim,
        roles_claim=settings.oidc_roles_claim,
        roles=settings.oidc_roles,
        leeway_seconds=settings.oidc_leeway_seconds,
    )
    return OpenId(provider, SigningKeys(provider.jwks))


def _tls(settings: Settings) -> Files | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return Files(
        cert=settings.tls_cert_file,
        key=settings.tls_key_file,
        client_ca=settings.tls_client_ca_file,
    )


async def prune(settings: Settings) -> Deleted:
    """Delete what is older than it has to be kept, beside controllers that may be running.

    Raises:
        DioptraError: The database cannot be used.
    """
    database = open_database(settings)
    try:
        await database.read(check_newest)
        keeper = Housekeeper(database, settings, now=lambda: dt.datetime.now(dt.UTC))
        return await keeper.clean()
    finally:
        await asyncio.to_thread(database.close)


def downgrade(settings: Settings, revision: str) -> None:
    """Take the database back to an older schema; see `migrate.downgrade`.

    Raises:
        DioptraError: The database is in use, or there is no way back to that.
    """
    claim = Claim(settings.database_url.get_secret_value())
    claim.take()
    database = open_database(settings)
    try:
        migrate.downgrade(database, revision)
    finally:
        database.close()
        claim.release()


def open_database(settings: Settings) -> Database:
    """Open the database; the folder of an SQLite file is made, for this user only."""
    url = settings.database_url.get_secret_value()
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Database(url, synchronous=settings.sqlite_synchronous)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that others either see whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
