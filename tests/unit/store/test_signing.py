"""Signatures are those of the `minio` client, which services are known to accept."""

import datetime as dt
import hashlib
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio.credentials import Credentials
from minio.signer import sign_v4_s3

from dioptra_ray.store.s3.signing import EMPTY_SHA256, Signer, query_string

_NOW = dt.datetime(2026, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20)
_ASCII = st.text("abcXYZ019-_/=;+. ", min_size=1, max_size=20).map(str.strip).filter(bool)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    name=_WORDS,
    query=st.dictionaries(_WORDS, st.text(max_size=5) | _WORDS, max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["content-length", "content-type", "range", "x-amz-meta-a"]), _ASCII
    ),
    body=st.binary(max_size=20),
)
def test_signatures_are_those_of_the_client(method, name, query, headers, body):
    try:
        asked, path = query_string(query), f"/bucket/{quote(name)}"
    except UnicodeEncodeError:
        return
    digest = hashlib.sha256(body).hexdigest()
    headers = {key: " ".join(value.split()) for key, value in headers.items()}
    signer = Signer(access_key="me", secret_key="secret", region="eu-west-3", host="s3:9000")
    ours = signer.sign(method, path, asked, headers, digest, now=_NOW)
    theirs = sign_v4_s3(
        method=method,
        url=urlsplit(f"http://s3:9000{path}?{asked}"),
        region="eu-west-3",
        headers={
            **headers,
            "host": "s3:9000",
            "x-amz-content-sha256": digest,
            "x-amz-date": "20260203T040506Z",
        },
        credentials=Credentials("me", "secret"),
        content_sha256=digest,
        date=_NOW,
    )
    assert ours["authorization"] == theirs["Authorization"]


def test_the_key_of_a_day_is_not_used_on_the_next():
    signer = Signer(access_key="me", secret_key="secret", region="r", host="h")

    def sign(day: int) -> str:
        now = _NOW.replace(day=day)
        return signer.sign("GET", "/b/k", "", {}, EMPTY_SHA256, now=now)["authorization"]

    first, second = sign(3), sign(4)
    assert first != second
    assert sign(3) == first
    fresh = Signer(access_key="me", secret_key="secret", region="r", host="h")
    expected = fresh.sign("GET", "/b/k", "", {}, EMPTY_SHA256, now=_NOW.replace(day=4))
    assert second == expected["authorization"]


@pytest.mark.parametrize("given_body", [b"", b"x"])
def test_the_checksum_of_the_body_is_part_of_it(given_body):
    signer = Signer(access_key="me", secret_key="secret", region="r", host="h")
    digest = hashlib.sha256(given_body).hexdigest()
    signed = signer.sign("PUT", "/b/k", "", {}, digest, now=_NOW)
    assert signed["x-amz-content-sha256"] == digest
    assert "x-amz-content-sha256" in signed["authorization"]
