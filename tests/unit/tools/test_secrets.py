"""What the scan of the repository finds; the samples are put together here, so that it does not."""

import pytest

from tests.tools.secrets import PATTERNS, find_secrets

SAMPLES = {
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "a token of dioptra-ray": "drt_" + "aB3_" * 11,
    "a key of AWS": "AKIA" + "ABCDEFGHIJKLMNOP",
    "a token of GitHub": "ghp_" + "a1" * 20,
    "a token of GitLab": "glpat-" + "a1" * 12,
    "a token of Slack": "xoxb-" + "1234567890-abc",
    "a key of Google": "AIza" + "a" * 35,
    "a token of PyPI": "pypi-AgEI" + "a" * 60,
    "a JSON web token": ".".join(["eyJ" + "a" * 20, "eyJ" + "b" * 20, "c" * 20]),
    "a password in a URL": "postgresql+psycopg://dioptra:" + "hunter22@db.example/dioptra",
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_each_kind_is_found_with_its_line(kind: str) -> None:
    text = f"first\nvalue = '{SAMPLES[kind]}'\nlast"
    assert list(find_secrets(text)) == [(2, kind)]


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_line_may_say_that_it_is_none(kind: str) -> None:
    assert not list(find_secrets(f"{SAMPLES[kind]}  # not a secret: an example"))


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://USER:PASSWORD@HOST/NAME",
        "s3://bucket/prefix",
        "http://127.0.0.1:8333/path",
        "https://example.org/a:b@c",
        "f'{scheme}://{user}:{password}@{host}'",
        "token = read_token(file)",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert not list(find_secrets(text))
