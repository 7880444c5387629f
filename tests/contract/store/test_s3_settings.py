"""What settings of an S3 store do: TLS, encryption, few rights, and nothing asked in vain."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from pydantic import SecretStr

from dioptra_ray.errors import InvalidRequestError, PermissionDeniedError, UnavailableError
from dioptra_ray.store import open_store
from dioptra_ray.store.inventory import Kind
from dioptra_ray.store.s3.connections import Connections
from tests.contract.store.case import KEY, tree
from tests.contract.store.certificates import make_certificates
from tests.contract.store.services import settings
from tests.tools.s3_server import S3Server, s3_server

_DOCS = Path(__file__).parents[3] / "docs" / "storage.md"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    (path / "empty").mkdir(parents=True)
    (path / "small").write_bytes(b"x")
    (path / "large").write_bytes(b"0123456789abcdef" * (1 << 20))
    return path


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3Server, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    authority, certificate = make_certificates(folder)
    with s3_server(folder / "state", certificate=certificate) as server:
        yield server, authority


def over_tls(tls: tuple[S3Server, Path], **changes: Any) -> Any:
    server, authority = tls
    values = {"endpoint": server.tls_endpoint, "secure": True, "ca_file": str(authority)}
    return settings(server, **{**values, **changes})


def admin_of(server: S3Server) -> Any:
    return Minio(
        server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        secure=False,
        region="us-east-1",
    )


def test_private_authority(
    tls: tuple[S3Server, Path], bucket: str, source: Path, tmp_path: Path
) -> None:
    store = open_store(f"s3://{bucket}/prefix", over_tls(tls))
    store.check()
    store.put_artifact(KEY, source)
    assert tree(store.get_artifact(KEY, tmp_path / "got")) == tree(source)
    assert list(store.list_artifacts()) == [KEY]
    store.delete_artifact(KEY)


@pytest.mark.parametrize("patience", [0, 60])
def test_unknown_authority_is_refused_at_once(
    tls: tuple[S3Server, Path], bucket: str, patience: float
) -> None:
    store = open_store(f"s3://{bucket}", over_tls(tls, ca_file="", patience=patience))
    with pytest.raises(UnavailableError, match="DIOPTRA_S3_CA_FILE"):
        store.put_blob("x", b"y")


def test_unknown_authority_is_said_by_the_client_too(
    tls: tuple[S3Server, Path], bucket: str
) -> None:
    store = open_store(f"s3://{bucket}", over_tls(tls, ca_file="", patience=0))
    with pytest.raises(UnavailableError, match="DIOPTRA_S3_CA_FILE"):
        store.check()


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_file_that_is_no_authority(
    tls: tuple[S3Server, Path], bucket: str, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(InvalidRequestError, match="DIOPTRA_S3_CA_FILE"):
        open_store(f"s3://{bucket}", over_tls(tls, ca_file=str(tmp_path / "ca.pem")))


def test_objects_are_encrypted_with_a_key_of_the_service(
    s3: S3Server, bucket: str, source: Path, tmp_path: Path
) -> None:
    store = open_store(f"s3://{bucket}", settings(s3, encryption="kms:testkey"))
    store.check()
    store.put_artifact(KEY, source)
    client = admin_of(s3)
    names = [one.object_name for one in client.list_objects(bucket, recursive=True)]
    assert len(names) == 3
    for name in names:
        headers = client.stat_object(bucket, name).metadata
        assert headers["x-amz-server-side-encryption"] == "aws:kms"
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "testkey"
    assert tree(store.get_artifact(KEY, tmp_path / "got")) == tree(source)


def test_encryption_that_the_service_cannot_give(s3: S3Server, bucket: str) -> None:
    store = open_store(f"s3://{bucket}", settings(s3, encryption="kms:nobodys"))
    with pytest.raises(InvalidRequestError, match=r"nobodys.*DIOPTRA_S3_ENCRYPTION"):
        store.check()


def test_rights_of_the_documented_policy_are_enough(
    s3: S3Server, bucket: str, source: Path, tmp_path: Path
) -> None:
    block = re.search(r"```json\n(.*?)```", _DOCS.read_text(), re.DOTALL)
    assert block is not None
    text = block[1].replace("BUCKET", bucket).replace("PREFIX", "few/rights")
    policy = json.loads(text)
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": [f"arn:aws:iam:::user/{bucket}"]}
    client = admin_of(s3)
    client.make_bucket(bucket)
    client.set_bucket_policy(bucket, json.dumps(policy))
    s3.add_user(bucket, "a secret")
    few = settings(s3, access_key=SecretStr(bucket), secret_key=SecretStr("a secret"))

    store = open_store(f"s3://{bucket}/few/rights", few)
    store.check()
    store.put_artifact(KEY, source)
    store.put_blob("scratch/7-1/alive", b"")
    assert tree(store.get_artifact(KEY, tmp_path / "got")) == tree(source)
    assert not store.has_blob("missing")
    assert {one.kind for one in store.take_stock()} == {
        Kind.ARTIFACT,
        Kind.MANIFEST,
        Kind.SCRATCH,
    }
    store.delete_below("scratch/7-1")
    store.delete_artifact(KEY)
    assert list(store.take_stock()) == []

    with pytest.raises(PermissionDeniedError, match="does not let"):
        open_store(f"s3://{bucket}/elsewhere", few).put_blob("x", b"y")
    with pytest.raises(PermissionDeniedError):
        open_store(f"s3://{bucket}-other", few).check()


def test_nobody_is_asked_for_the_region(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    urlopen = Minio._url_open

    def watched(self: Any, method: str, region: str, **options: Any) -> Any:
        asked.extend(options.get("query_params") or {})
        return urlopen(self, method, region, **options)

    monkeypatch.setattr(Minio, "_url_open", watched)
    store = open_store(f"s3://{bucket}", settings(s3))
    store.check()
    list(store.take_stock())
    assert "list-type" in asked
    assert "location" not in asked


def test_corrupted_upload_is_refused_by_the_service(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"s3://{bucket}", settings(s3))
    store.check()
    exchange = Connections.exchange

    def corrupting(self: Any, method: str, target: str, headers: Any, body: bytes) -> Any:
        changed = b"evil" if body == b"good" else body
        return exchange(self, method, target, headers, changed)

    monkeypatch.setattr(Connections, "exchange", corrupting)
    with pytest.raises(InvalidRequestError, match="SHA256"):
        store.put_blob("x", b"good")
    assert not store.has_blob("x")
