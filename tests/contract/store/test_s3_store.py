"""The artifact store in S3, over real HTTP against a real service."""

import secrets
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from dioptra_ray.errors import (
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnavailableError,
)
from dioptra_ray.store import StoreSettings, open_store
from dioptra_ray.store.artifacts import ObjectArtifactStore
from tests.contract.store.case import KEY
from tests.contract.store.store_contract import StoreContract
from tests.contract.store.wire import breaking_wire
from tests.tools.s3_server import S3Server


def settings(server: S3Server, **changes: object) -> StoreSettings:
    return StoreSettings(
        endpoint=server.endpoint,
        access_key=SecretStr(server.access_key),
        secret_key=SecretStr(server.secret_key),
        secure=False,
    ).model_copy(update=changes)


@pytest.fixture
def bucket() -> str:
    return f"test-{secrets.token_hex(6)}"


class TestS3Store(StoreContract):
    @pytest.fixture(params=["", "/deep/prefix"], ids=["bucket", "prefix"])
    def store(
        self, request: pytest.FixtureRequest, s3: S3Server, bucket: str
    ) -> ObjectArtifactStore:
        made = open_store(f"s3://{bucket}{request.param}", settings(s3))
        made.check()
        assert isinstance(made, ObjectArtifactStore)
        return made

    def test_two_prefixes_of_a_bucket_are_two_stores(
        self, s3: S3Server, bucket: str, source: Path
    ) -> None:
        one = open_store(f"s3://{bucket}/one", settings(s3))
        other = open_store(f"s3://{bucket}/one-more", settings(s3))
        one.check()
        one.put_artifact(KEY, source)
        one.put_blob("blob", b"x")
        assert list(other.list_artifacts()) == []
        assert not other.has_blob("blob")
        other.delete_artifact(KEY)
        assert list(one.list_artifacts()) == [KEY]

    def test_multipart_upload_that_is_cut_off_leaves_nothing(
        self,
        store: ObjectArtifactStore,
        source: Path,
        s3: S3Server,
    ) -> None:
        (source / "large").write_bytes(b"x" * (24 << 20))
        with breaking_wire(s3.endpoint, 12 << 20) as wire:
            impatient = open_store(store.url, settings(s3, endpoint=wire.endpoint, patience=0))
            with pytest.raises(UnavailableError, match="cannot be reached"):
                impatient.put_artifact(KEY, source)
            assert wire.is_cut
        assert list(store.list_artifacts()) == []
        with pytest.raises(NotFoundError):
            store.read_manifest(KEY)
        assert self.everything(store) == []
        store.put_artifact(KEY, source)
        assert store.read_manifest(KEY).size == 24 << 20


def test_settings_come_from_the_environment(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.variables().items():
        monkeypatch.setenv(name, value)
    store = open_store(f"s3://{bucket}")
    store.check()
    store.put_blob("x", b"y")
    assert store.get_blob("x") == b"y"
    assert store.url == f"s3://{bucket}"


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_keys_are_explained(s3: S3Server, bucket: str, wrong: str) -> None:
    store = open_store(f"s3://{bucket}", settings(s3, **{wrong: SecretStr("hunter2")}))
    with pytest.raises(PermissionDeniedError, match="DIOPTRA_S3_SECRET_KEY") as caught:
        store.check()
    assert "hunter2" not in str(caught.value)


def test_missing_bucket_is_explained(s3: S3Server, bucket: str) -> None:
    with pytest.raises(PreconditionError, match="bucket"):
        open_store(f"s3://{bucket}", settings(s3)).put_blob("x", b"")


def test_nobody_listens(s3: S3Server, bucket: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UnavailableError, match="DIOPTRA_S3_ENDPOINT"):
            open_store(f"s3://{bucket}", settings(s3, endpoint=endpoint, patience=0.5)).check()


def test_https_to_a_plain_port_is_explained(s3: S3Server, bucket: str) -> None:
    with pytest.raises(UnavailableError, match="DIOPTRA_S3_SECURE"):
        open_store(f"s3://{bucket}", settings(s3, secure=True, patience=0)).check()
