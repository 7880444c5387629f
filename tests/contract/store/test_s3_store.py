"""The artifact store in S3, over real HTTP against a real service."""

import random
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from dioptra_ray.errors import (
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnavailableError,
)
from dioptra_ray.store import open_store
from dioptra_ray.store.artifacts import ObjectArtifactStore
from dioptra_ray.store.inventory import Kind
from dioptra_ray.store.s3.objects import PIECE
from tests.contract.store.case import KEY
from tests.contract.store.services import settings
from tests.contract.store.store_contract import StoreContract
from tests.contract.store.wire import breaking_wire
from tests.tools.s3_server import S3Server


class TestS3Store(StoreContract):
    @pytest.fixture
    def store(self, service: S3Server, bucket: str) -> ObjectArtifactStore:
        made = open_store(f"s3://{bucket}/deep/prefix", settings(service))
        made.check()
        assert isinstance(made, ObjectArtifactStore)
        return made

    def test_two_prefixes_of_a_bucket_are_two_stores(
        self, service: S3Server, bucket: str, source: Path
    ) -> None:
        one = open_store(f"s3://{bucket}/one", settings(service))
        other = open_store(f"s3://{bucket}/one-more", settings(service))
        one.check()
        one.put_artifact(KEY, source)
        one.put_blob("blob", b"x")
        assert list(other.list_artifacts()) == []
        assert not other.has_blob("blob")
        other.delete_artifact(KEY)
        assert list(one.list_artifacts()) == [KEY]

    def test_multipart_upload_that_is_cut_off_leaves_nothing(
        self, store: ObjectArtifactStore, source: Path, service: S3Server
    ) -> None:
        (source / "large").write_bytes(b"x" * (24 << 20))
        with breaking_wire(service.endpoint, 12 << 20) as wire:
            changes = {"endpoint": wire.endpoint, "patience": 0}
            impatient = open_store(store.url, settings(service, **changes))
            with pytest.raises(UnavailableError, match="cannot be reached"):
                impatient.put_artifact(KEY, source)
            assert wire.is_cut
        assert list(store.list_artifacts()) == []
        with pytest.raises(NotFoundError):
            store.read_manifest(KEY)
        assert self.everything(store) == []
        # The way to abort it was cut, too: garbage collection will.
        for begun in store.take_stock():
            assert begun.kind is Kind.UNFINISHED
            assert begun.key.startswith(KEY)
            store.remove(begun)
            store.remove(begun)
        assert list(store.take_stock()) == []
        store.put_artifact(KEY, source)
        assert store.read_manifest(KEY).size == 24 << 20

    def test_part_that_is_lost_is_sent_again_alone(
        self, store: ObjectArtifactStore, source: Path, service: S3Server, tmp_path: Path
    ) -> None:
        size = 40 << 20
        (source / "large").write_bytes(random.Random(3).randbytes(size))
        with breaking_wire(service.endpoint, 12 << 20, heals=True) as wire:
            through = open_store(store.url, settings(service, endpoint=wire.endpoint))
            through.put_artifact(KEY, source / "large")
            assert wire.is_cut
            assert wire.sent < size + PIECE + (1 << 20)
        got = store.get_artifact(KEY, tmp_path / "got")
        assert got.read_bytes() == (source / "large").read_bytes()
        assert [one.kind for one in store.take_stock()] == [Kind.ARTIFACT, Kind.MANIFEST]

    def test_content_types_are_kept(
        self, store: ObjectArtifactStore, source: Path, service: S3Server
    ) -> None:
        (source / "table.csv").write_text("a,b")
        (source / "model.pt").write_bytes(b"x")
        store.put_artifact(KEY, source)
        for name, expected in (("table.csv", "text/csv"), ("model.pt", "application/x-pytorch")):
            (link,) = store.link_files(KEY, [name], 60)
            with urlopen(link, timeout=30) as answer:
                assert answer.headers["Content-Type"].partition(";")[0] == expected
                assert answer.read() == (source / name).read_bytes()

    def test_everything_is_known(self, store: ObjectArtifactStore, source: Path) -> None:
        (source / "f").write_bytes(b"12345")
        store.put_artifact(KEY, source)
        store.put_blob("scratch/7-1/alive", b"")
        store.put_blob("scratch/7-1/values", b"123")
        store.put_blob(f"plugins/{'0' * 64}.tar.gz", b"x")
        stock = {one.kind: one for one in store.take_stock()}
        assert stock[Kind.ARTIFACT].place == store.upload_folder(KEY)
        assert (stock[Kind.ARTIFACT].key, stock[Kind.ARTIFACT].size) == (KEY, 5)
        assert stock[Kind.MANIFEST].key == KEY
        assert (stock[Kind.SCRATCH].place, stock[Kind.SCRATCH].objects) == ("scratch/7-1", 2)
        assert len(stock) == 4
        for one in stock.values():
            store.remove(one)
        assert self.everything(store) == []


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
