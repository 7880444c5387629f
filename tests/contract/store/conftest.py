"""The S3 services that the S3 store is tested against; the tests fail when one cannot start."""

import secrets
from collections.abc import Iterator

import pytest

from tests.contract.store.services import SERVICES
from tests.tools.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Ceph, with its objects in memory."""
    with s3_server(tmp_path_factory.mktemp("s3") / "state") as server:
        yield server


@pytest.fixture(scope="session", params=["ceph-in-memory", *SERVICES])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    """Each service in turn."""
    if request.param not in SERVICES:
        yield request.getfixturevalue("s3")
        return
    with SERVICES[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
def bucket() -> str:
    return f"test-{secrets.token_hex(6)}"
