"""Callers who come with a token (JWT) of an OpenID provider, instead of one that we made."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from dioptra_controller.access.caller import BOOTSTRAP, CONTROLLER, Caller
from dioptra_controller.access.grants import Grants, combine
from dioptra_controller.access.signing_keys import SigningKeys
from dioptra_controller.access.tokens import OPENID, digest_of
from dioptra_ray.errors import UnauthenticatedError

ALGORITHMS: Final = ("RS256", "ES256")
"""Pinned: a token does not choose how it is verified."""

REMEMBERED_SECONDS: Final = 60.0
_LIMIT: Final = 4096
_LONGEST: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdSettings:
    """Whose tokens are good, and what they give.

    Attributes:
        issuer: Who must have issued them.
        audience: Whom they must be meant for.
        jwks: URL or file with the provider's keys.
        subject_claim: The claim that says who it is.
        roles_claim: The claim, a word or a list of words, that says what it may do.
        roles: What each word gives.
        leeway_seconds: By how much clocks may differ.
    """

    issuer: str
    audience: str
    jwks: str
    subject_claim: str = "sub"
    roles_claim: str = "groups"
    roles: Grants = field(default_factory=dict)
    leeway_seconds: float = 60.0


def is_jwt(secret: str) -> bool:
    """Whether a bearer token looks like one of an OpenID provider."""
    return secret.startswith("eyJ") and secret.count(".") == 2  # noqa: PLR2004 - its three parts


class OpenId:
    """Knows the callers of one provider."""

    def __init__(
        self,
        settings: OpenIdSettings,
        keys: SigningKeys,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        # Until when a verified token need not be verified again.
        self._known: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    async def identify(self, token: str) -> Caller:
        """Who comes with a token.

        Raises:
            UnauthenticatedError: It is not good, or gives no role.
            UnavailableError: The provider's keys cannot be read.
        """
        digest = digest_of(token)
        known = self._known.get(digest)
        if known is not None and self._clock() < known[1]:
            return known[0]
        self._known.pop(digest, None)
        claims = await self._verify(token)
        caller = self._read(claims)
        until = min(self._clock() + REMEMBERED_SECONDS, float(claims["exp"]))
        self._known[digest] = (caller, until)
        if len(self._known) > _LIMIT:
            self._known.popitem(last=False)
        return caller

    async def _verify(self, token: str) -> Mapping[str, Any]:
        if len(token) > _LONGEST:
            raise UnauthenticatedError("the token is too long")
        settings = self._settings
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.get(str(header.get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway_seconds,
                options={"require": ["exp", "iat", "aud", "iss", settings.subject_claim]},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(
                f"the token of the OpenID provider is not good: {error}"
            ) from None
        return claims

    def _read(self, claims: Mapping[str, Any]) -> Caller:
        subject = claims[self._settings.subject_claim]
        if not isinstance(subject, str) or not subject.strip() or not subject.isprintable():
            raise UnauthenticatedError("the token does not say in words who you are")
        if subject in {BOOTSTRAP.subject, CONTROLLER.subject}:
            raise UnauthenticatedError(f"{subject!r} is the controller's own name")
        said = claims.get(self._settings.roles_claim, [])
        words = [said] if isinstance(said, str) else said
        if not isinstance(words, list):
            words = []
        powers = combine(self._settings.roles, [word for word in words if isinstance(word, str)])
        if not powers:
            raise UnauthenticatedError(
                f"{subject!r} has no role here: the controller's oidc_roles give none for its "
                f"{self._settings.roles_claim!r}"
            )
        return Caller(
            subject=subject,
            roles=powers.roles,
            is_runner=powers.is_runner,
            token=OPENID,
        )
