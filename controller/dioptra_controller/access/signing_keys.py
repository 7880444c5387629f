"""The keys of an OpenID provider: fetched from its JWKS, kept, and fetched when they change."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import structlog

from dioptra_ray.errors import UnauthenticatedError, UnavailableError

FRESH_SECONDS = 3600.0
"""After that, keys that the provider has withdrawn are forgotten."""

SHORTEST_PAUSE_SECONDS = 30.0
"""Between two fetches: tokens with invented key ids must not flood the provider."""

_FETCH_SECONDS = 10.0
_MAX_BYTES = 1024 * 1024

_log = structlog.get_logger("dioptra_controller.access")


class SigningKeys:
    """Keys by their ids.

    Args:
        source: An https URL (http on this machine only), or the path of a file.
        clock: Seconds that never go back.
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def get(self, key_id: str) -> jwt.PyJWK:
        """The key with an id.

        Raises:
            UnauthenticatedError: The provider has none.
            UnavailableError: The provider cannot be asked, and was never before.
        """
        async with self._lock:
            if self._is_old() or (key_id not in self._keys and self._may_ask()):
                await self._refresh()
        if self._fetched is None:
            raise UnavailableError("the keys of the OpenID provider cannot be read; try again")
        if key_id not in self._keys:
            raise UnauthenticatedError("the OpenID provider has no key that this token names")
        return self._keys[key_id]

    def _is_old(self) -> bool:
        if not self._may_ask():
            return False
        return self._fetched is None or self._clock() - self._fetched >= FRESH_SECONDS

    def _may_ask(self) -> bool:
        return self._tried is None or self._clock() - self._tried >= SHORTEST_PAUSE_SECONDS

    async def _refresh(self) -> None:
        self._tried = self._clock()
        try:
            content = await asyncio.to_thread(_fetch, self._source)
            self._keys = _read(content)
        except (OSError, ValueError, jwt.PyJWTError) as error:
            # Those that are known go on being good.
            _log.warning("oidc.keys_not_read", source=self._source, message=str(error))
            return
        self._fetched = self._clock()
        _log.info("oidc.keys_read", keys=sorted(self._keys))


def _fetch(source: str) -> bytes:
    if not urllib.parse.urlsplit(source).scheme:
        return Path(source).read_bytes()
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(source, timeout=_FETCH_SECONDS) as response:
        content: bytes = response.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES} bytes")
    return content


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Where keys come from is what the settings say, and nowhere else."""

    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


def _read(content: bytes) -> dict[str, jwt.PyJWK]:
    listed = json.loads(content)
    found = jwt.PyJWKSet.from_dict(listed).keys
    return {key.key_id: key for key in found if key.key_id and key.public_key_use in (None, "sig")}
