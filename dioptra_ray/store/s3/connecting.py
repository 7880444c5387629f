"""From settings to what speaks with an S3 service."""

import ssl
from typing import Any

import urllib3
from minio import Minio

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.store.s3.connections import CONNECT_SECONDS, READ_SECONDS
from dioptra_ray.store.s3.requests import Requests
from dioptra_ray.store.s3.retrying import FIRST_PAUSE, LONGEST_PAUSE
from dioptra_ray.store.settings import StoreSettings

_POOL = 8
_METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")


def connect(bucket: str, settings: StoreSettings) -> tuple[Any, Requests]:
    """The `minio` client, and the requests that move bytes; nothing is contacted yet.

    Raises:
        InvalidRequestError: The certificates cannot be read.
    """
    context = _make_context(settings.ca_file) if settings.secure else None
    access_key = settings.access_key.get_secret_value()
    secret_key = settings.secret_key.get_secret_value()
    client = Minio(
        settings.endpoint,
        access_key=access_key,
        secret_key=secret_key,
        secure=settings.secure,
        # Given, so that the client does not first ask for the bucket's location.
        region=settings.region,
        http_client=_make_pool(context, settings.patience),
    )
    # The client knows where a service keeps a bucket: in the host's name, or in the path.
    somewhere = str(client.presigned_get_object(bucket, "x"))
    requests = Requests(
        somewhere.partition("?")[0].removesuffix("/x"),
        keys=(access_key, secret_key),
        region=settings.region,
        context=context,
        patience=settings.patience,
    )
    return client, requests


def _make_context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequestError(
            f"DIOPTRA_S3_CA_FILE: {ca_file!r} cannot be read as certificates in PEM: {error}."
        ) from error


def _make_pool(context: ssl.SSLContext | None, patience: float) -> urllib3.PoolManager:
    """Connections with limits: the client's own pool waits for five minutes."""
    attempts, pause, total = 0, FIRST_PAUSE, 0.0
    while total + pause <= patience:
        total += pause
        pause = min(2 * pause, LONGEST_PAUSE)
        attempts += 1
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        maxsize=_POOL,
        ssl_context=context,
        retries=urllib3.Retry(
            total=attempts,
            backoff_factor=FIRST_PAUSE,
            backoff_max=LONGEST_PAUSE,
            backoff_jitter=FIRST_PAUSE,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=_METHODS,
            raise_on_status=False,
        ),
    )
