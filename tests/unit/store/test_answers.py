"""Answers of HTTP services, read from bytes."""

import http.client
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.store.s3.answers import read_answer

OK = b"HTTP/1.1 200 OK\r\n"


def read(content: bytes, method: str = "GET"):
    return read_answer(io.BytesIO(content), method)


def test_body_of_a_length():
    stream = io.BytesIO(OK + b'Content-Length: 3\r\nETag:  "a" \r\n\r\nabcHTTP/1.1 404 \r\n\r\n')
    answer = read_answer(stream, "GET")
    assert (answer.status, answer.content, answer.keeps_open) == (200, b"abc", True)
    assert answer.headers["etag"] == '"a"'
    assert stream.read(8) == b"HTTP/1.1"


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("DELETE", "204 No Content"), ("GET", "304 x")]
)
def test_without_a_body(method: str, status: str):
    answer = read(f"HTTP/1.1 {status}\r\nContent-Length: 99\r\n\r\n".encode(), method)
    assert answer.content == b""
    assert answer.keeps_open


def test_body_in_chunks():
    answer = read(
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n"
    )
    assert answer.content == b"abcde"
    assert answer.keeps_open


def test_body_until_the_end_closes():
    answer = read(OK + b"\r\nall of it")
    assert answer.content == b"all of it"
    assert not answer.keeps_open


@pytest.mark.parametrize(
    "head",
    [OK + b"Connection: Close\r\n", b"HTTP/1.0 200 OK\r\n"],
)
def test_service_that_hangs_up(head: bytes):
    assert not read(head + b"Content-Length: 0\r\n\r\n").keeps_open


def test_go_ahead_is_passed_over():
    answer = read(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n")
    assert answer.status == 200


def test_nothing_is_a_lost_connection():
    with pytest.raises(ConnectionError):
        read(b"")


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        OK,
        OK + b"Content-Length: 3\r\n\r\nab",
        OK + b"Content-Length: -3\r\n\r\nab",
        OK + b"Content-Length: three\r\n\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nab",
        OK + b"A: " + b"a" * 70000 + b"\r\n\r\n",
        OK + b"A: b\r\n" * 300,
    ],
)
def test_what_is_no_answer(content: bytes):
    with pytest.raises(http.client.HTTPException):
        read(content)


@given(st.binary(max_size=60), st.sampled_from(["GET", "HEAD", "PUT"]))
def test_random_bytes_are_an_answer_or_an_error(content: bytes, method: str):
    for head in (b"", b"HTTP/1.1 ", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"):
        try:
            answer = read(head + content, method)
        except (http.client.HTTPException, OSError):
            continue
        assert 100 <= answer.status <= 999
