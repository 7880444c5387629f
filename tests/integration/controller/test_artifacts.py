import asyncio
import datetime as dt
import hashlib
import tempfile

import grpc
import pytest

from dioptra_controller.artifacts import catalog
from dioptra_controller.database.job_tables import JOBS, PLANS
from dioptra_controller.rpc import artifacts as servicer
from dioptra_ray.api.controller.v1 import artifact_service_pb2 as pb
from dioptra_ray.api.controller.v1 import artifact_service_pb2_grpc as pb_grpc
from dioptra_ray.api.controller.v1 import plugin_service_pb2 as plugin
from dioptra_ray.api.controller.v1 import plugin_service_pb2_grpc as plugin_grpc
from dioptra_ray.errors import (
    DataLossError,
    ExhaustedError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
)
from dioptra_ray.store.artifacts import ObjectArtifactStore
from dioptra_ray.store.manifest import ManifestFile, make_manifest

WRITER = """\
from dioptra.sdk.api.artifact import ArtifactTaskInterface

class TextTask(ArtifactTaskInterface):
    @staticmethod
    def deserialize(working_dir, path, **kwargs) -> str: ...
"""


@pytest.fixture
def artifacts(channel):
    return pb_grpc.ArtifactServiceStub(channel)


@pytest.fixture
def upload(artifacts):
    def start(files, *, basename="model.bin", is_directory=False, name="model", **fields):
        header = pb.UploadArtifactHeader(
            name=name, basename=basename, is_directory=is_directory, **fields
        )

        def parts():
            yield pb.UploadArtifactRequest(header=header)
            for path, content in files:
                yield pb.UploadArtifactRequest(path=path)
                for at in range(0, len(content), 1 << 20):
                    yield pb.UploadArtifactRequest(content=content[at : at + (1 << 20)])

        return artifacts.UploadArtifact(parts())

    return start


async def download(stub, artifact_id, path=""):
    call = stub.DownloadArtifact(pb.DownloadArtifactRequest(id=artifact_id, path=path))
    return [part.content async for part in call]


def leftovers(tmp_path):
    return [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


async def test_a_file_comes_back_as_it_went(artifacts, upload):
    content = bytes(range(256)) * 10_000
    stored = (await upload([("model.bin", content)])).artifact
    assert stored.id == 1
    assert (stored.name, stored.basename, stored.is_directory) == ("model", "model.bin", False)
    assert (stored.size, stored.job_id, stored.entrypoint) == (len(content), 0, "")
    assert stored.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert [(file.path, file.size) for file in stored.files] == [("model.bin", len(content))]
    shown = (await artifacts.GetArtifact(pb.GetArtifactRequest(id=1))).artifact
    assert shown == stored
    for path in ("", "model.bin"):
        chunks = await download(artifacts, 1, path)
        assert b"".join(chunks) == content
        assert max(map(len, chunks)) <= 1 << 20


async def test_a_directory_comes_back_file_by_file(artifacts, upload):
    files = {"a.txt": b"a", "deep/er/b.bin": b"b" * 3_000_000, "empty": b""}
    stored = (await upload(files.items(), basename="out", is_directory=True)).artifact
    assert stored.is_directory
    assert {file.path for file in stored.files} == set(files)
    for path, content in files.items():
        assert b"".join(await download(artifacts, stored.id, path)) == content


async def test_an_empty_file_is_an_artifact(artifacts, upload):
    stored = (await upload([("model.bin", b"")])).artifact
    assert stored.size == 0
    assert await download(artifacts, stored.id) == []


async def test_a_repeated_upload_is_one_artifact(artifacts, upload, refusal, tmp_path):
    first = await upload([("model.bin", b"x")], request_id="u1")
    before = sorted(leftovers(tmp_path))
    assert await upload([("model.bin", b"x")], request_id="u1") == first
    other = upload([("model.bin", b"y")], request_id="u1")
    assert type(await refusal(other)) is InvalidRequestError
    assert sorted(leftovers(tmp_path)) == before
    listed = await artifacts.ListArtifacts(pb.ListArtifactsRequest())
    assert [one.id for one in listed.artifacts] == [first.artifact.id]


async def test_a_reader_is_looked_up_in_its_plugin(upload, channel, archive, refusal):
    await plugin_grpc.PluginServiceStub(channel).PutPlugin(
        plugin.PutPluginRequest(name="io", archive=archive({"writers.py": WRITER}))
    )
    stored = (await upload([("model.bin", b"x")], task="io.writers.TextTask")).artifact
    assert stored.task == "io.writers.TextTask"
    assert stored.plugin_digest.startswith("sha256:")
    assert [(output.name, output.type) for output in stored.outputs] == [("output", "string")]
    wrong = await refusal(upload([("model.bin", b"x")], task="io.writers.TxtTask"))
    assert isinstance(wrong, NotFoundError)
    assert "did you mean 'io.writers.TextTask'" in wrong.message
    missing = await refusal(upload([("model.bin", b"x")], task="oi.writers.TextTask"))
    assert isinstance(missing, NotFoundError)


@pytest.mark.parametrize(
    "bad",
    [
        ([], {}),
        ([("other.bin", b"x")], {}),
        ([("model.bin", b"x"), ("model.bin", b"y")], {}),
        ([("model.bin", b"x"), ("", b"y")], {}),
        ([("model.bin", b"x")], {"basename": ""}),
        ([("..", b"x")], {"basename": ".."}),
        ([("a/b", b"x")], {"basename": "a/b"}),
        ([("model.bin", b"x")], {"name": " "}),
        ([("../x", b"x")], {"is_directory": True}),
        ([("/x", b"x")], {"is_directory": True}),
        ([("", b"x")], {"is_directory": True}),
        ([("a", b"x"), ("a", b"y")], {"is_directory": True}),
        ([("a", b"x"), ("a/b", b"y")], {"is_directory": True}),
        ([("a/b", b"x"), ("a", b"y")], {"is_directory": True}),
        ([("x" * 300, b"x")], {"is_directory": True}),
    ],
)
async def test_bad_uploads_leave_nothing(bad, upload, artifacts, refusal, tmp_path):
    files, fields = bad
    assert type(await refusal(upload(files, **fields))) is InvalidRequestError
    assert not leftovers(tmp_path)
    assert not (await artifacts.ListArtifacts(pb.ListArtifactsRequest())).artifacts


async def test_an_upload_begins_with_its_header(artifacts, refusal):
    call = artifacts.UploadArtifact(iter([pb.UploadArtifactRequest(path="x")]))
    assert "header" in (await refusal(call)).message
    assert "header" in (await refusal(artifacts.UploadArtifact(iter([])))).message


async def test_an_upload_is_bounded_and_cleans_up(start_controller, refusal, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    controller = await start_controller(max_upload_bytes=10)
    async with grpc.aio.insecure_channel(controller.address) as channel:
        stub = pb_grpc.ArtifactServiceStub(channel)
        header = pb.UploadArtifactHeader(name="n", basename="b")
        parts = [
            pb.UploadArtifactRequest(header=header),
            pb.UploadArtifactRequest(path="b"),
            pb.UploadArtifactRequest(content=b"123456"),
            pb.UploadArtifactRequest(content=b"123456"),
        ]
        assert isinstance(await refusal(stub.UploadArtifact(iter(parts))), ExhaustedError)
    assert not list((tmp_path / "temporary").iterdir())


async def test_an_abandoned_upload_leaves_nothing(artifacts, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    arrived = asyncio.Event()
    taken = servicer._take
    loop = asyncio.get_running_loop()

    def take(upload, request):
        taken(upload, request)
        loop.call_soon_threadsafe(arrived.set)

    left = asyncio.Event()
    leave = servicer.Upload.__exit__

    def exit_(self, *details):
        leave(self, *details)
        left.set()

    monkeypatch.setattr(servicer, "_take", take)
    monkeypatch.setattr(servicer.Upload, "__exit__", exit_)
    call = artifacts.UploadArtifact()
    header = pb.UploadArtifactHeader(name="n", basename="b")
    await call.write(pb.UploadArtifactRequest(header=header))
    await call.write(pb.UploadArtifactRequest(path="b"))
    await arrived.wait()
    call.cancel()
    await left.wait()
    assert not list((tmp_path / "temporary").iterdir())
    assert not leftovers(tmp_path)


async def test_missing_artifacts_and_files_are_not_found(artifacts, upload, refusal):
    stored = (await upload([("a", b"x")], basename="d", is_directory=True)).artifact
    for artifact_id, path in ((99, ""), (stored.id, "b"), (stored.id, "")):
        stream = artifacts.DownloadArtifact(pb.DownloadArtifactRequest(id=artifact_id, path=path))
        assert isinstance(await refusal(stream.read()), NotFoundError), path
    error = await refusal(artifacts.GetArtifact(pb.GetArtifactRequest(id=99)))
    assert isinstance(error, NotFoundError)


async def test_damaged_bytes_are_data_loss(artifacts, upload, refusal, tmp_path):
    content = b"precious" * 1000
    stored = (await upload([("model.bin", content)])).artifact
    (file,) = [path for path in leftovers(tmp_path) if path.read_bytes() == content]
    file.chmod(0o644)
    file.write_bytes(b"x" + content[1:])

    async def read_all():
        call = artifacts.DownloadArtifact(pb.DownloadArtifactRequest(id=stored.id))
        async for _ in call:
            pass

    assert isinstance(await refusal(read_all()), DataLossError)


def _record_job_artifacts(connection, now):
    connection.execute(PLANS.insert().values(digest="p", plan_json="{}", create_time=now))
    job = {
        "experiment": "default",
        "entrypoint": "train",
        "entrypoint_snapshot": 1,
        "snapshot_id": 1,
        "queue": "default",
        "description": "",
        "state": "finished",
        "attempt": 1,
        "cancel_requested": False,
        "parameters": "{}",
        "artifact_inputs": "{}",
        "swaps": "{}",
        "plan_digest": "p",
        "timeout_seconds": 0,
        "create_time": now,
        "last_event": 0,
        "last_log": 0,
    }
    job_id = connection.execute(JOBS.insert().values(**job).returning(JOBS.c.id)).scalar_one()
    file = ManifestFile(path="m.pt", size=3, digest="sha256:00")
    manifest = make_manifest("m.pt", [file], is_directory=False).to_json()
    for number in range(5):
        catalog.record(
            connection,
            name="model" if number % 2 else "figure",
            key=f"artifacts/1/1/{number}",
            manifest_json=manifest,
            lineage=catalog.Lineage(
                job_id=job_id,
                entrypoint="train",
                step="fit",
                output="model",
                task="io.writers.TextTask",
                plugin_digest="sha256:11",
                outputs=[("model", "any")],
            ),
        )
    return job_id


async def test_lists_are_newest_first_filtered_and_paged(artifacts, upload, controller):
    uploaded = (await upload([("model.bin", b"x")])).artifact
    now = uploaded.create_time.ToDatetime(tzinfo=dt.UTC)
    job_id = await controller.database.write(_record_job_artifacts, now)

    async def listed(**fields):
        seen, token = [], ""
        while True:
            request = pb.ListArtifactsRequest(page_size=2, page_token=token, **fields)
            page = await artifacts.ListArtifacts(request)
            seen += page.artifacts
            token = page.next_page_token
            if not token:
                return seen

    everything = await listed()
    assert [one.id for one in everything] == [6, 5, 4, 3, 2, 1]
    assert not any(one.files for one in everything)
    assert [one.id for one in await listed(job_id=job_id)] == [6, 5, 4, 3, 2]
    assert [one.id for one in await listed(name="model")] == [5, 3, 1]
    assert [one.id for one in await listed(entrypoint="train", name="figure")] == [6, 4, 2]
    newest = everything[0]
    assert (newest.job_id, newest.step, newest.output) == (job_id, "fit", "model")
    assert newest.uri.endswith("/artifacts/1/1/4")


async def test_uris_say_where_the_bytes_lie(upload, tmp_path):
    stored = (await upload([("model.bin", b"x")])).artifact
    assert stored.uri.startswith((tmp_path / "store").as_uri() + "/uploads/")


async def test_an_abandoned_download_lets_go_of_the_store(artifacts, upload, monkeypatch):
    stored = (await upload([("model.bin", b"x")])).artifact
    let_go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(_self, _key, _path, **_range):
        try:
            while True:
                yield b"x" * (1 << 20)
        finally:
            loop.call_soon_threadsafe(let_go.set)

    monkeypatch.setattr(ObjectArtifactStore, "open_file", endless)
    call = artifacts.DownloadArtifact(pb.DownloadArtifactRequest(id=stored.id))
    assert await call.read()
    call.cancel()
    await let_go.wait()


async def test_a_bug_in_the_middle_of_a_stream_is_hidden(artifacts, upload, monkeypatch, refusal):
    stored = (await upload([("model.bin", b"x")])).artifact

    def broken(_self, _key, _path, **_range):
        yield b"first"
        raise RuntimeError("the secret word is xyzzy")

    monkeypatch.setattr(ObjectArtifactStore, "open_file", broken)
    call = artifacts.DownloadArtifact(pb.DownloadArtifactRequest(id=stored.id))
    assert (await call.read()).content == b"first"
    error = await refusal(call.read())
    assert isinstance(error, InternalError)
    assert "xyzzy" not in error.message
