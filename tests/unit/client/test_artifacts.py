"""Artifacts through the client: bytes that arrive whole, or not at all."""

import hashlib

import pytest

from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.errors import (
    AlreadyExistsError,
    DataLossError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)

CONTENTS = {"weights.bin": b"w" * 3_000_000, "sub/config.json": b"{}"}


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def artifact(files, *, is_directory=True, basename="model"):
    return pb.Artifact(
        id=4,
        name="model",
        job_id=7,
        is_directory=is_directory,
        basename=basename,
        files=[
            pb.ArtifactFile(path=path, size=len(content), digest=digest(content))
            for path, content in files.items()
        ],
    )


def serve(controller, found, contents) -> None:
    controller.on("GetArtifact", lambda _: pb.GetArtifactResponse(artifact=found))

    def download(request, _):
        content = contents[request.path]
        for start in range(0, len(content), 1024 * 1024):
            yield pb.DownloadArtifactResponse(content=content[start : start + 1024 * 1024])

    controller.on("DownloadArtifact", download)


def test_a_directory_arrives_whole(controller, client, tmp_path) -> None:
    serve(controller, artifact(CONTENTS), CONTENTS)
    path = client.artifacts.download(4, tmp_path / "new")
    assert path == tmp_path / "new" / "model"
    found = {one.relative_to(path).as_posix(): one for one in path.rglob("*") if one.is_file()}
    assert {name: one.read_bytes() for name, one in found.items()} == CONTENTS
    assert [one.name for one in path.parent.iterdir()] == ["model"]


def test_a_single_file_arrives(controller, client, tmp_path) -> None:
    contents = {"model.pt": b"weights"}
    serve(controller, artifact(contents, is_directory=False, basename="model.pt"), contents)
    assert client.artifacts.download(4, tmp_path).read_bytes() == b"weights"


def test_wrong_bytes_leave_nothing(controller, client, tmp_path) -> None:
    serve(controller, artifact(CONTENTS), CONTENTS | {"sub/config.json": b"{]"})
    with pytest.raises(DataLossError, match="checksum"):
        client.artifacts.download(4, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lost_connection_begins_the_file_again(controller, client, tmp_path) -> None:
    contents = {"model.pt": b"weights"}
    serve(controller, artifact(contents, is_directory=False, basename="model.pt"), contents)
    attempts = []

    def download(request, _):
        attempts.append(request.path)
        yield pb.DownloadArtifactResponse(content=b"wei")
        if len(attempts) == 1:
            raise UnavailableError("going down")
        yield pb.DownloadArtifactResponse(content=b"ghts")

    controller.on("DownloadArtifact", download)
    assert client.artifacts.download(4, tmp_path).read_bytes() == b"weights"
    assert attempts == ["model.pt", "model.pt"]


def test_what_is_there_is_kept_unless_told(controller, client, tmp_path) -> None:
    serve(controller, artifact(CONTENTS), CONTENTS)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").touch()
    with pytest.raises(AlreadyExistsError):
        client.artifacts.download(4, tmp_path)
    assert (tmp_path / "model" / "mine").exists()
    client.artifacts.download(4, tmp_path, overwrite=True)
    assert not (tmp_path / "model" / "mine").exists()
    assert (tmp_path / "model" / "weights.bin").exists()


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", ""])
def test_paths_that_lead_out_are_refused(controller, client, tmp_path, path) -> None:
    contents = {path: b"x"}
    serve(controller, artifact(contents), contents)
    with pytest.raises(InvalidRequestError):
        client.artifacts.download(4, tmp_path / "here")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("basename", ["..", "a/b", "", "/x"])
def test_names_that_lead_out_are_refused(controller, client, tmp_path, basename) -> None:
    serve(controller, artifact({"x": b"x"}, basename=basename), {"x": b"x"})
    with pytest.raises(InvalidRequestError):
        client.artifacts.download(4, tmp_path)


def test_an_upload_is_sent_in_order_and_again_when_lost(controller, client, tmp_path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 2_500_000)
    (folder / "sub" / "b.txt").write_bytes(b"b")

    def fail_once(_):
        if len(controller.requests) == 1:
            raise UnavailableError("the store is away")
        return pb.UploadArtifactResponse(artifact=artifact({}))

    controller.on("UploadArtifact", fail_once)
    assert client.artifacts.upload(folder, task="p.m.Task").id == 4
    first, second = controller.requests
    assert first == second
    header = second[0].header
    assert (header.name, header.basename, header.is_directory) == ("model", "model", True)
    assert (header.task, bool(header.request_id)) == ("p.m.Task", True)
    assert [part.path for part in second if part.WhichOneof("part") == "path"] == [
        "a.bin",
        "sub/b.txt",
    ]
    chunks = [part.content for part in second if part.WhichOneof("part") == "content"]
    assert b"".join(chunks) == b"a" * 2_500_000 + b"b"
    assert max(map(len, chunks)) <= 1024 * 1024


def test_what_does_not_exist_is_not_uploaded(client, tmp_path) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        client.artifacts.upload(tmp_path / "nothing")
