"""Fetching files from the artifact store itself, past the controller, where that works.

The controller gives addresses that are good for a few minutes. Whether they can be reached
from here nobody knows before: at the first failure the controller is asked instead, for
this file and all further ones.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.errors import DioptraError, UnavailableError

BATCH: Final = 200
_CHUNK: Final = 1024 * 1024
_SECONDS: Final = 10.0


class DirectLinks:
    """Where the files of one artifact can be fetched; for several threads.

    Args:
        paths: All files, in the order in which they will be fetched.
        ask: Asks the controller for the addresses of some of them.
    """

    def __init__(
        self,
        paths: Sequence[str],
        ask: Callable[[Sequence[str]], pb.CreateArtifactLinksResponse],
    ) -> None:
        self._paths = paths
        self._places = {path: place for place, path in enumerate(paths)}
        self._ask = ask
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._good_until = 0.0
        self._is_over = False

    def open(self, path: str) -> Iterator[bytes] | None:
        """The content of a file; None when it must come from the controller.

        Reading it raises UnavailableError when the store cannot be reached from here, or
        does not give the file.
        """
        with self._lock:
            url = None if self._is_over else self._find(path)
        return None if url is None else _fetch(url)

    def forget(self) -> None:
        """Do not try this way any more."""
        self._is_over = True

    def _find(self, path: str) -> str | None:
        if path not in self._known or time.monotonic() > self._good_until:
            self._learn(self._paths[self._places[path] :][:BATCH])
        return self._known.get(path)

    def _learn(self, paths: Sequence[str]) -> None:
        begun = time.monotonic()
        try:
            answer = self._ask(paths)
        except DioptraError:
            # An older controller, or one in trouble: which the download itself will say.
            self._is_over = True
            return
        self._known = {link.path: link.url for link in answer.links}
        self._is_over = not self._known
        # With some time left to begin.
        self._good_until = begun + answer.lifetime.ToTimedelta().total_seconds() / 2


def _fetch(url: str) -> Iterator[bytes]:
    parts = urlsplit(url)
    make = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in make or not parts.netloc:
        raise UnavailableError("the controller gives an address of an unknown kind")
    connection = make[parts.scheme](parts.netloc, timeout=_SECONDS)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise UnavailableError(f"{parts.netloc} answers {response.status}")
        while chunk := response.read(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"{parts.netloc} cannot be reached: {error}") from error
    finally:
        connection.close()
