"""From the bearer token of a call to its caller, without the database on the usual way.

What the database says of a token is remembered for a few seconds, also that it says nothing:
a revocation counts at once on the controller that made it, and within that time on others.
"""

import asyncio
import datetime as dt
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from dioptra_controller.access import tokens
from dioptra_controller.access.caller import BOOTSTRAP, CONTROLLER, Caller, act_as
from dioptra_controller.access.grants import Grants, combine
from dioptra_controller.access.openid import OpenId, is_jwt
from dioptra_controller.database.engine import Database
from dioptra_ray.errors import DioptraError, UnauthenticatedError

FRESH_SECONDS = 5.0
_USE_SECONDS = 60.0
_LIMIT = 4096

_log = structlog.get_logger("dioptra_controller.access")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    token: tokens.Token | None
    until: float


class Verifier:
    """Knows callers by their tokens.

    Args:
        database: Where tokens are.
        bootstrap: The token of the settings; None makes everybody admin, which the settings
            allow on loopback only.
        openid: Knows callers of an OpenID provider; None knows none.
        certificates: What callers may do who have a client certificate and no token, by a
            name in it.
        clock: Seconds that never go back.
        now: The time of day.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        database: Database,
        bootstrap: str | None,
        *,
        openid: OpenId | None = None,
        certificates: Grants | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._database = database
        self._bootstrap = None if bootstrap is None else tokens.digest_of(bootstrap)
        self._openid = openid
        self._certificates = certificates or {}
        self._clock = clock
        self._now = now
        # Apart, so that a flood of wrong tokens does not drive out the good ones.
        self._good: OrderedDict[str, _Known] = OrderedDict()
        self._bad: OrderedDict[str, _Known] = OrderedDict()
        self._uses: set[asyncio.Task[None]] = set()

    async def identify(self, authorization: str, names: Collection[str] = ()) -> Caller:
        """Who makes a call.

        Args:
            authorization: Its metadata of that name; may be empty.
            names: Those in its client certificate, which was verified.

        Raises:
            UnauthenticatedError: There is no token, or it is wrong, expired or revoked.
            UnavailableError: The database does not answer.
        """
        if self._bootstrap is None:
            return BOOTSTRAP
        if not authorization and names:
            return self._know(names)
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError(
                "this controller wants a token: send metadata `authorization: Bearer TOKEN`"
            )
        secret = secret.strip()
        if self._openid is not None and is_jwt(secret):
            return await self._openid.identify(secret)
        digest = tokens.digest_of(secret)
        if hmac.compare_digest(digest, self._bootstrap):
            return BOOTSTRAP
        known = self._good.get(digest) or self._bad.get(digest)
        if known is None or known.until <= self._clock():
            known = await self._look_up(digest)
        return self._judge(known.token)

    def forget(self, digest: str) -> None:
        """Ask the database again about a token, which was revoked."""
        self._good.pop(digest, None)

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._uses, return_exceptions=True)

    def _know(self, names: Collection[str]) -> Caller:
        powers = combine(self._certificates, names)
        known = [name for name in names if name in self._certificates]
        if not powers:
            raise UnauthenticatedError(
                "this controller wants a token: your certificate alone gives you no role"
            )
        return Caller(
            subject=known[0],
            roles=powers.roles,
            is_runner=powers.is_runner,
            token=tokens.CERTIFICATE,
        )

    def _judge(self, token: tokens.Token | None) -> Caller:
        if token is None:
            raise UnauthenticatedError(
                "the token is wrong: it is neither that of the controller's token file nor one "
                "that was created"
            )
        if token.revoke_time is not None:
            raise UnauthenticatedError(f"token {token.name!r} was revoked; ask for another one")
        if not token.is_valid(self._now()):
            raise UnauthenticatedError(f"token {token.name!r} has expired; ask for another one")
        return token.caller

    async def _look_up(self, digest: str) -> _Known:
        until = self._clock() + FRESH_SECONDS
        known = _Known(token=await self._database.read(tokens.find, digest), until=until)
        kept, other = self._good, self._bad
        if known.token is None:
            kept, other = other, kept
        other.pop(digest, None)
        kept[digest] = known
        kept.move_to_end(digest)
        if len(kept) > _LIMIT:
            kept.popitem(last=False)
        self._note_use(known.token)
        return known

    def _note_use(self, token: tokens.Token | None) -> None:
        now = self._now()
        if token is None or not token.is_valid(now):
            return
        if token.use_time is None or (now - token.use_time).total_seconds() > _USE_SECONDS:
            task = asyncio.create_task(self._write_use(token.name, now))
            self._uses.add(task)
            task.add_done_callback(self._uses.discard)

    async def _write_use(self, name: str, now: dt.datetime) -> None:
        act_as(CONTROLLER)
        try:
            await self._database.write(tokens.note_use, name, now)
        except DioptraError as error:
            _log.warning("token.use_not_noted", token=name, message=error.message)
