"""Downloads from an S3 store itself, and through the controller where that does not work."""

import socket
from collections.abc import Iterator

import pytest
from minio import Minio

from dioptra_ray.client import Client
from dioptra_ray.errors import DataLossError, NotFoundError
from dioptra_ray.store.artifacts import ObjectArtifactStore
from dioptra_ray.store.s3.objects import S3Objects
from tests.integration.registry.serving import serve
from tests.tools.s3_server import S3Server, s3_server

BUCKET = "direct"


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "state") as server:
        yield server


@pytest.fixture
def changes():
    return {}


@pytest.fixture
def client(s3, tmp_path, monkeypatch, changes) -> Iterator[Client]:
    for name, value in s3.variables().items():
        monkeypatch.setenv(name, value)
    with (
        serve(tmp_path, store_url=f"s3://{BUCKET}/{tmp_path.name}", **changes) as controller,
        Client(controller.address) as client,
    ):
        yield client


@pytest.fixture
def stored(client, tmp_path):
    folder = tmp_path / "source"
    (folder / "deep" / "hollow").mkdir(parents=True)
    (folder / "deep" / "größe %2F +.bin").write_bytes(b"0123456789" * 500_000)
    for number in range(30):
        (folder / f"{number}.txt").write_text(str(number))
    return client.artifacts.upload(folder)


@pytest.fixture
def streamed(monkeypatch) -> list[str]:
    """The files that come through the controller."""
    paths: list[str] = []
    open_file = ObjectArtifactStore.open_file

    def watched(self, key, path, **span):
        paths.append(path)
        return open_file(self, key, path, **span)

    monkeypatch.setattr(ObjectArtifactStore, "open_file", watched)
    return paths


def tree(root):
    return {p.relative_to(root).as_posix(): p.is_file() and p.read_bytes() for p in root.rglob("*")}


def test_files_come_from_the_store(client, stored, streamed, tmp_path):
    got = client.artifacts.download(stored, tmp_path / "got")
    assert tree(got) == tree(tmp_path / "source")
    client.artifacts.download_file(stored, "3.txt", tmp_path)
    assert (tmp_path / "3.txt").read_text() == "3"
    assert streamed == []


@pytest.mark.parametrize("changes", [{"download_link_seconds": 0}])
def test_the_controller_may_give_no_addresses(client, stored, streamed, tmp_path):
    got = client.artifacts.download(stored, tmp_path / "got")
    assert tree(got) == tree(tmp_path / "source")
    assert len(streamed) == 31


def test_store_that_cannot_be_reached_from_here(client, stored, streamed, tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/x?y"
        monkeypatch.setattr(S3Objects, "presign", lambda *_: address)
        got = client.artifacts.download(stored, tmp_path / "got")
    assert tree(got) == tree(tmp_path / "source")
    assert len(streamed) == 31


def test_addresses_that_have_expired(client, stored, streamed, tmp_path, monkeypatch):
    presign = S3Objects.presign

    def tampered(self, name, seconds):
        return presign(self, name, seconds).replace("X-Amz-Date=20", "X-Amz-Date=19")

    monkeypatch.setattr(S3Objects, "presign", tampered)
    got = client.artifacts.download(stored, tmp_path / "got")
    assert tree(got) == tree(tmp_path / "source")
    assert len(streamed) == 31


def test_store_that_gives_something_else(client, stored, streamed, tmp_path, monkeypatch):
    presign = S3Objects.presign

    def another(self, name, seconds):
        name = name.replace("/7.txt", "/8.txt")
        return presign(self, name, seconds)

    monkeypatch.setattr(S3Objects, "presign", another)
    got = client.artifacts.download(stored, tmp_path / "got")
    assert tree(got) == tree(tmp_path / "source")
    assert "7.txt" in streamed


def test_corrupted_object_is_an_error_either_way(client, stored, s3, tmp_path):
    bare = Minio(s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key, secure=False)
    victim = next(
        one.object_name
        for one in bare.list_objects(BUCKET, prefix=tmp_path.name, recursive=True)
        if one.object_name.endswith("/7.txt")
    )
    (tmp_path / "evil").write_text("!")
    bare.fput_object(BUCKET, victim, str(tmp_path / "evil"))
    with pytest.raises(DataLossError, match=r"7\.txt"):
        client.artifacts.download(stored, tmp_path / "got")
    assert not (tmp_path / "got" / "source").exists()


def test_addresses_are_for_files_of_artifacts_only(client, stored):
    with pytest.raises(NotFoundError):
        client.artifacts._ask_links(stored.id, ["../manifests/x"])
    with pytest.raises(NotFoundError):
        client.artifacts._ask_links(stored.id + 1, ["3.txt"])
    client.artifacts.delete(stored.id)
    with pytest.raises(NotFoundError, match="was deleted"):
        client.artifacts._ask_links(stored.id, ["3.txt"])
