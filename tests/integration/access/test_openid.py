"""Tokens of an OpenID provider, whose keys come from a real HTTP server."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc.aio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dioptra_controller.access.openid import OpenId, OpenIdSettings
from dioptra_controller.access.signing_keys import FRESH_SECONDS, SigningKeys
from dioptra_controller.bootstrap import Controller
from dioptra_ray.errors import PermissionDeniedError, UnauthenticatedError, UnavailableError
from tests.integration.access.conftest import World

ISSUER, AUDIENCE = "https://login.example", "dioptra"


class Provider:
    """An OpenID provider: signs tokens, and publishes its keys."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetches = 0
        self.status = 200
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                body = json.dumps({"keys": provider.public()}).encode()
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"
        self.add("first", rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def add(self, name: str, key: Any) -> None:
        self.keys[name] = key

    def public(self) -> list[dict[str, Any]]:
        return [
            {
                **json.loads(_algorithm(key).to_jwk(key.public_key())),
                "kid": name,
                "use": "sig",
                "alg": _name(key),
            }
            for name, key in self.keys.items()
        ]

    def token(self, key: str = "first", **changes: Any) -> str:
        now = time.time()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "anna",
            "groups": ["staff"],
            "iat": now,
            "exp": now + 600,
            **changes,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        signing = self.keys[key]
        return jwt.encode(present, signing, algorithm=_name(signing), headers={"kid": key})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _algorithm(key: Any) -> Any:
    return RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm


def _name(key: Any) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def openid(provider, clock) -> OpenId:
    roles = {"staff": ["default:submitter"], "ops": ["*:admin"], "machines": ["runner"]}
    settings = OpenIdSettings(
        issuer=ISSUER, audience=AUDIENCE, jwks=provider.url, roles=roles, leeway_seconds=5
    )
    return OpenId(settings, SigningKeys(provider.url, clock=clock))


async def test_a_good_token_says_who_and_what(openid, provider):
    caller = await openid.identify(provider.token(groups=["staff", "machines", "unknown"]))
    assert caller.subject == "anna"
    assert {group: role.title for group, role in caller.roles.items()} == {"default": "submitter"}
    assert caller.is_runner
    provider.add("curve", ec.generate_private_key(ec.SECP256R1()))
    again = OpenId(openid._settings, SigningKeys(provider.url))
    assert (await again.identify(provider.token("curve", groups="ops"))).is_global_admin


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": None},
        {"exp": time.time() - 60},
        {"exp": None},
        {"iat": None},
        {"iat": time.time() + 3600},
        {"nbf": time.time() + 3600},
        {"sub": None},
        {"sub": "bootstrap"},
        {"sub": " "},
        {"groups": []},
        {"groups": ["strangers"]},
        {"groups": {"staff": True}},
        {"groups": None},
    ],
)
async def test_any_other_is_refused(openid, provider, changes):
    with pytest.raises(UnauthenticatedError):
        await openid.identify(provider.token(**changes))


async def test_a_token_does_not_choose_how_it_is_verified(openid, provider):
    good = provider.token()
    claims = jwt.decode(good, options={"verify_signature": False})
    public = json.dumps(provider.public()[0])
    forged = [
        jwt.encode(claims, None, algorithm="none", headers={"kid": "first"}),
        jwt.encode(claims, public * 2, algorithm="HS256", headers={"kid": "first"}),
        jwt.encode(
            claims,
            rsa.generate_private_key(public_exponent=65537, key_size=2048),
            algorithm="RS256",
            headers={"kid": "first"},
        ),
        good[:-8] + "AAAAAAAA",
        good.replace(".", ".e30", 1),
        "eyJ.eyJ.eyJ",
    ]
    for token in forged:
        with pytest.raises(UnauthenticatedError):
            await openid.identify(token)
    assert (await openid.identify(good)).subject == "anna"


async def test_a_clock_that_is_a_little_behind_does_no_harm(openid, provider):
    assert await openid.identify(provider.token(exp=time.time() - 2))
    assert await openid.identify(provider.token(iat=time.time() + 2))


async def test_new_keys_are_fetched_and_old_ones_forgotten(openid, provider, clock):
    await openid.identify(provider.token())
    assert provider.fetches == 1
    await openid.identify(provider.token(sub="bert"))
    assert provider.fetches == 1
    old = provider.token(sub="old")
    provider.add("second", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    newer = provider.token("second", sub="carla")
    with pytest.raises(UnauthenticatedError, match="no key"):
        await openid.identify(newer)  # asked only just now
    clock.seconds += 31
    assert (await openid.identify(newer)).subject == "carla"
    assert provider.fetches == 2
    del provider.keys["first"]
    clock.seconds += FRESH_SECONDS
    with pytest.raises(UnauthenticatedError, match="no key"):
        await openid.identify(old)


async def test_invented_keys_do_not_flood_the_provider(openid, provider):
    provider.add("ghost", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    ghosts = [provider.token("ghost", sub=f"ghost{number}") for number in range(20)]
    del provider.keys["ghost"]
    found = await asyncio.gather(*map(openid.identify, ghosts), return_exceptions=True)
    assert all(isinstance(one, UnauthenticatedError) for one in found)
    assert provider.fetches == 1


async def test_a_provider_that_is_down(openid, provider, clock):
    provider.status = 503
    with pytest.raises(UnavailableError):
        await openid.identify(provider.token())
    provider.status = 200
    clock.seconds += 31
    await openid.identify(provider.token())
    provider.status = 503
    clock.seconds += FRESH_SECONDS
    # What it said before goes on being good.
    await openid.identify(provider.token(sub="later"))


async def test_a_whole_controller_takes_both_kinds_of_token(settings, provider):
    changes = {
        "oidc_issuer": ISSUER,
        "oidc_audience": AUDIENCE,
        "oidc_jwks": provider.url,
        "oidc_roles": {"staff": ["default:submitter"]},
    }
    controller = Controller(settings.model_copy(update=changes))
    await controller.start()
    try:
        async with grpc.aio.insecure_channel(controller.address) as channel:
            secrets = {"bootstrap": "the-bootstrap-token", "anna": provider.token()}
            secrets["bad"] = provider.token(aud="another")
            world = World(address=controller.address, secrets=secrets, channel=channel)
            (caller,) = await world.call("anna", "GetCaller", {})
            assert (caller.subject, caller.token) == ("anna", "openid")
            await world.call("anna", "CreateExperiment", {"name": "mine"})
            refused = await world.refusal("anna", "CreateQueue", {"name": "mine"})
            assert isinstance(refused, PermissionDeniedError)
            assert isinstance(await world.refusal("bad", "GetCaller", {}), UnauthenticatedError)
            assert (await world.call("bootstrap", "GetCaller", {}))[0].subject == "bootstrap"
    finally:
        await controller.stop()
