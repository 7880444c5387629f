import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from dioptra_ray.errors import ExhaustedError, InvalidRequestError, NotFoundError
from dioptra_ray.plugins import bundle
from dioptra_ray.plugins.bundle import pack, read_archive, read_folder, unpack

FILES = {"__init__.py": b"", "tasks.py": b"x = 1\n", "deep/er/model.py": b"y" * 200_000}


def archive(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def regular(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_bytes_depend_on_nothing_but_the_files() -> None:
    packed = pack(FILES)
    assert packed == pack(dict(reversed(FILES.items())))
    # The identity of stored plugins: a change here orphans every registered snapshot.
    assert pack({"tasks.py": b"x = 1\n"}).digest == EXPECTED
    assert packed.digest == "sha256:" + hashlib.sha256(packed.content).hexdigest()


EXPECTED = "sha256:8266fd70ada5f06bd95e638f51a603e47f370ccee412af1545b239adf403fc3e"


def test_content_is_an_ordinary_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(FILES).content), mode="r:gz") as tar:
        read = {member.name: tar.extractfile(member) for member in tar}
        assert {name: file.read() for name, file in read.items() if file} == FILES


def test_unpack_writes_what_was_packed(tmp_path: Path) -> None:
    unpack(pack(FILES).content, tmp_path / "out")
    assert read_folder(tmp_path / "out") == FILES


def test_empty_plugin_round_trips() -> None:
    assert read_archive(pack({}).content) == {}


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up.py", "a/../../b.py", "a//b.py", "a\\b.py", "c:x.py", "", "./a"]
)
def test_unsafe_paths_are_not_packed(path: str) -> None:
    with pytest.raises(InvalidRequestError):
        pack({path: b""})


@pytest.mark.parametrize(
    "member",
    [
        regular("../up.py"),
        regular("/etc/cron.d/x"),
        regular("a/../../up.py"),
        special("link.py", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.py", tarfile.LNKTYPE, "../up.py"),
        special("pipe", tarfile.FIFOTYPE),
        special("dev", tarfile.CHRTYPE),
    ],
    ids=lambda member: member.name,
)
def test_harmful_members_are_refused_before_anything_is_written(
    member: tarfile.TarInfo, tmp_path: Path
) -> None:
    content = archive(regular("fine.py"), member)
    with pytest.raises(InvalidRequestError):
        unpack(content, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_path_twice_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="twice"):
        read_archive(archive(regular("a.py"), regular("./a.py")))


def test_file_that_is_also_a_folder_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="file and a folder"):
        read_archive(archive(regular("a"), regular("a/b.py")))


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", gzip.compress(b"not tar" * 200), pack(FILES).content[:-5000]],
    ids=["empty", "plain", "no tar", "cut short"],
)
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="archive"):
        read_archive(content)


def test_bomb_is_noticed_while_it_unfolds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(bundle, "MAX_FILES", 10)
    with pytest.raises(ExhaustedError):
        read_archive(archive(regular("big.py"), content=b"\0" * 2_000_000))
    # Padding behind the end of the archive, or a header that lies, does not help.
    with pytest.raises(ExhaustedError):
        read_archive(archive(*(regular(f"{n}.py") for n in range(11))))


def test_too_many_files_are_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_FILES", 2)
    with pytest.raises(ExhaustedError):
        pack(FILES)


def test_folder_is_read_without_hidden_files_caches_and_links(tmp_path: Path) -> None:
    plugin = tmp_path / "mine"
    for path in ("tasks.py", ".hidden.py", ".git/config", "__pycache__/tasks.pyc", "sub/b.py"):
        (plugin / path).parent.mkdir(parents=True, exist_ok=True)
        (plugin / path).write_text("")
    (tmp_path / "outside.py").write_text("")
    (plugin / "link.py").symlink_to(tmp_path / "outside.py")
    assert list(read_folder(plugin)) == ["sub/b.py", "tasks.py"]


def test_missing_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_folder(tmp_path / "none")
