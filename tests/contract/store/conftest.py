"""The S3 service that the S3 store is tested against; the tests fail when it cannot start."""

from collections.abc import Iterator

import pytest

from tests.tools.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "state") as server:
        yield server
