"""Large objects, sent in parts: several at once, in a bounded amount of memory.

A part that does not arrive is sent again alone. When one cannot be sent at all, the upload
is aborted, so that the service does not keep the parts that did arrive; should the service
be gone by then, garbage collection aborts it later.
"""

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException

from dioptra_ray.store.budget import MemoryBudget
from dioptra_ray.store.objects import Readable, Unfinished
from dioptra_ray.store.s3.errors import ServiceError, error_in
from dioptra_ray.store.s3.requests import Requests
from dioptra_ray.store.s3.signing import UNSIGNED
from dioptra_ray.store.transfer import read_exactly

_MOST_PARTS = 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What uploads share.

    Attributes:
        requests: How they are sent.
        executor: Sends parts.
        budget: The memory that they may take.
        part_size: Bytes of a part, unless an object would have too many of them.
    """

    requests: Requests
    executor: Executor
    budget: MemoryBudget
    part_size: int

    def send(self, name: str, content: Readable, size: int, headers: Mapping[str, str]) -> None:
        """Read `size` bytes, in order, and make an object of them.

        Raises:
            EOFError: There are fewer; there is no object then.
            ServiceError: And what else `Requests.send` raises, likewise.
        """
        begun = self.requests.send("POST", name, query={"uploads": ""}, headers=headers)
        upload = _find(begun.content, "UploadId")
        try:
            tags = self._send_parts(name, upload, content, size)
            self._complete(name, upload, tags, size)
        except BaseException:
            with suppress(ServiceError, OSError, HTTPException):
                self.abort(name, upload)
            raise

    def abort(self, name: str, upload: str) -> None:
        """Throw away the parts of an upload that will not be completed."""
        self.requests.send("DELETE", name, query={"uploadId": upload})

    def _send_parts(self, name: str, upload: str, content: Readable, size: int) -> list[str]:
        part_size = max(self.part_size, -(-size // _MOST_PARTS))
        parts: list[Future[str]] = []
        try:
            for begin in range(0, size, part_size):
                if any(part.done() and part.exception() for part in parts):
                    break
                wanted = min(part_size, size - begin)
                taken = self.budget.take(wanted)
                try:
                    body = read_exactly(content, wanted)
                    number = len(parts) + 1
                    part = self.executor.submit(self._send_part, name, upload, number, body)
                except BaseException:
                    self.budget.give_back(taken)
                    raise
                self.budget.give_back_after(part, taken)
                parts.append(part)
                del body
            wait(parts, return_when=FIRST_EXCEPTION)
            return [part.result() for part in parts]
        finally:
            for part in parts:
                part.cancel()
            # A part that is still on its way would outlive the abortion of its upload.
            wait(parts)

    def _send_part(self, name: str, upload: str, number: int, body: bytes) -> str:
        query = {"partNumber": str(number), "uploadId": upload}
        # Over TLS a second checksum, besides that of the whole, would only take time.
        sha256 = UNSIGNED if self.requests.protects else ""
        answer = self.requests.send("PUT", name, query=query, body=body, sha256=sha256)
        return answer.headers.get("etag", "")

    def _complete(self, name: str, upload: str, tags: list[str], size: int) -> None:
        root = ET.Element("CompleteMultipartUpload")
        for number, tag in enumerate(tags, 1):
            part = ET.SubElement(root, "Part")
            ET.SubElement(part, "PartNumber").text = str(number)
            ET.SubElement(part, "ETag").text = tag
        body = ET.tostring(root)
        try:
            answer = self.requests.send("POST", name, query={"uploadId": upload}, body=body)
        except ServiceError as error:
            # Completed already, if the answer to the first attempt got lost.
            if error.code != "NoSuchUpload" or not self._is_complete(name, len(tags), size):
                raise
            return
        # A service may begin to answer before it knows whether it can.
        if (told := error_in(answer)) is not None:
            raise told

    def _is_complete(self, name: str, parts: int, size: int) -> bool:
        try:
            headers = self.requests.send("HEAD", name).headers
        except ServiceError:
            return False
        tag = headers.get("etag", "").strip('"')
        return headers.get("content-length") == str(size) and tag.endswith(f"-{parts}")


def list_uploads(requests: Requests, prefix: str) -> Iterator[Unfinished]:
    """The uploads of objects whose names begin with `prefix` that are not complete."""
    query = {"uploads": "", "prefix": prefix}
    while True:
        content = requests.send("GET", "", query=query).content
        page = ET.fromstring(content)  # noqa: S314 - expat bounds what entities unfold to
        texts = {_plain(element.tag): element.text or "" for element in page}
        for element in page:
            if _plain(element.tag) == "Upload":
                facts = {_plain(each.tag): each.text or "" for each in element}
                begun = dt.datetime.fromisoformat(facts["Initiated"])
                yield Unfinished(
                    name=facts["Key"], begun=begun.timestamp(), token=facts["UploadId"]
                )
        if texts.get("IsTruncated") != "true":
            return
        query["key-marker"] = texts["NextKeyMarker"]
        query["upload-id-marker"] = texts["NextUploadIdMarker"]


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]


def _find(content: bytes, tag: str) -> str:
    """The text of the first element `tag`, of any namespace."""
    for element in ET.fromstring(content).iter():  # noqa: S314 - what the service says
        if _plain(element.tag) == tag and element.text:
            return element.text
    raise ValueError(f"the service names no {tag}")
