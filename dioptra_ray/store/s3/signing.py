"""AWS Signature Version 4 of the requests that move bytes.

The `minio` client derives the signing key anew for each request, which is most of the cost
of a signature; here it is kept for the day that it is good for.
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
"""Instead of a checksum: the service compares none. For requests over TLS only."""
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class Signer:
    """Signs requests to one host with one pair of keys."""

    def __init__(self, *, access_key: str, secret_key: str, region: str, host: str) -> None:
        self._access_key = access_key
        self._secret = f"AWS4{secret_key}".encode()
        self._region = region
        self._host = host
        self._day_key: tuple[str, bytes] = ("", b"")

    def sign(  # noqa: PLR0913 - what a signature covers
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        payload_sha256: str,
        *,
        now: dt.datetime | None = None,
    ) -> dict[str, str]:
        """The headers of the request: `headers`, and those that sign it.

        Args:
            method: Of the request.
            path: As it is sent, quoted.
            query: As it is sent: quoted and sorted, see `query_string`.
            headers: Further headers, with names in lower case; all of them are signed.
            payload_sha256: Of the body, in hexadecimal: the service refuses another one.
            now: The present time in UTC when not given.
        """
        stamp = (now or dt.datetime.now(dt.UTC)).strftime("%Y%m%dT%H%M%SZ")
        signed = {
            "host": self._host,
            "x-amz-content-sha256": payload_sha256,
            "x-amz-date": stamp,
            **headers,
        }
        names = sorted(signed)
        listed = ";".join(names)
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in names)
        request = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload_sha256}"
        scope = f"{stamp[:8]}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._key(stamp[:8]), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _key(self, day: str) -> bytes:
        known, key = self._day_key
        if known != day:
            key = self._secret
            for part in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day_key = (day, key)
        return key


def query_string(query: Mapping[str, str]) -> str:
    """A query as a signature wants it: quoted, and then sorted."""
    pairs = sorted((quote(name, ""), quote(value, "")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
