"""The requests that move bytes to and from an S3 service."""

import hashlib
import ssl
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from dioptra_ray.store.s3.answers import Answer
from dioptra_ray.store.s3.connections import Connections
from dioptra_ray.store.s3.errors import read_error
from dioptra_ray.store.s3.retrying import persist
from dioptra_ray.store.s3.signing import EMPTY_SHA256, Signer, query_string

_GOOD = (200, 204, 206)


class Requests:
    """Signed requests for the objects of one bucket, sent again while that may help."""

    def __init__(
        self,
        place: str,
        *,
        keys: tuple[str, str],
        region: str,
        context: ssl.SSLContext | None,
        patience: float,
    ) -> None:
        """The address of the bucket is `place`; a `context` is for https only."""
        parts = urlsplit(place)
        self._path = parts.path.rstrip("/")
        self._connections = Connections(parts.netloc, context=context)
        self._signer = Signer(
            access_key=keys[0], secret_key=keys[1], region=region, host=parts.netloc
        )
        self._patience = patience
        self.protects = context is not None
        """Whether what is sent cannot be changed on its way: TLS would notice."""

    def send(  # noqa: PLR0913 - what a request has
        self,
        method: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        sha256: str = "",
    ) -> Answer:
        """Send a request for the object `name`; the answer is a good one.

        Args:
            method: Of the request.
            name: Of the object.
            query: What comes after the question mark.
            headers: With names in lower case.
            body: What to send.
            sha256: The checksum of the body in hexadecimal, when it is known already.

        Raises:
            ServiceError: The service answers with an error.
            OSError: It cannot be reached.
            http.client.HTTPException: It breaks off, or does not speak HTTP.
        """
        path = f"{self._path}/{quote(name)}"
        asked = query_string(query) if query else ""
        target = f"{path}?{asked}" if asked else path
        payload = sha256 or (hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256)
        given = dict(headers or {})
        if method in ("PUT", "POST"):
            given["content-length"] = str(len(body))

        def attempt() -> Answer:
            signed = self._signer.sign(method, path, asked, given, payload)
            answer = self._connections.exchange(method, target, signed, body)
            if answer.status not in _GOOD:
                raise read_error(answer)
            return answer

        return persist(attempt, self._patience)
