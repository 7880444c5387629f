"""Fetching artifacts: parts of them, empty sub-directories, straight from the store or not."""

import pytest

from dioptra_ray.errors import AlreadyExistsError, NotFoundError, OutOfRangeError


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "results"
    (made / "deep" / "hollow" / "er").mkdir(parents=True)
    (made / "void").mkdir()
    (made / "deep" / "numbers.csv").write_bytes(b"0123456789" * 300_000)
    for number in range(20):
        (made / f"{number}.txt").write_text(str(number))
    return made


def tree(root):
    return {p.relative_to(root).as_posix(): p.is_file() and p.read_bytes() for p in root.rglob("*")}


def test_empty_sub_directories_are_kept(client, run, folder, tmp_path):
    stored = client.artifacts.upload(folder)
    assert stored.directories == ("deep/hollow/er", "void")
    assert client.artifacts.get(stored.id) == stored
    got = client.artifacts.download(stored, tmp_path / "got")
    assert tree(got) == tree(folder)
    assert client.artifacts.list()[0].directories == ()
    shown = run("artifact", "show", stored.id).out
    assert "void/" in shown
    assert run("artifact", "show", stored.id, "--format", "json").json["directories"] == [
        "deep/hollow/er",
        "void",
    ]


def test_one_file_of_a_directory(client, run, folder, tmp_path):
    stored = client.artifacts.upload(folder)
    path = client.artifacts.download_file(stored, "deep/numbers.csv", tmp_path / "got")
    assert path == tmp_path / "got" / "numbers.csv"
    assert path.read_bytes() == (folder / "deep" / "numbers.csv").read_bytes()
    with pytest.raises(AlreadyExistsError):
        client.artifacts.download_file(stored, "deep/numbers.csv", tmp_path / "got")
    with pytest.raises(NotFoundError, match=r"no file 'deep/none'"):
        client.artifacts.download_file(stored, "deep/none", tmp_path / "got")
    said = run("artifact", "get", stored.id, tmp_path / "cli", "--file", "3.txt").out
    assert said.strip() == str(tmp_path / "cli" / "3.txt")
    assert [one.read_text() for one in (tmp_path / "cli").iterdir()] == ["3"]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 10), b"0123456789"),
        ((7, 5), b"78901"),
        ((2_999_997, 0), b"789"),
        ((2_999_999, 50), b"9"),
    ],
)
def test_a_range_of_a_file(client, run, folder, span, expected):
    offset, length = span
    stored = client.artifacts.upload(folder)
    chunks = client.artifacts.open(stored, "deep/numbers.csv", offset=offset, length=length)
    assert b"".join(chunks) == expected
    options = ("--length", length) if length else ()
    ran = run("artifact", "cat", stored.id, "deep/numbers.csv", "--offset", offset, *options)
    assert ran.out.encode() == expected


def test_a_range_that_is_not_there(client, folder):
    stored = client.artifacts.upload(folder)
    assert b"".join(client.artifacts.open(stored, "3.txt", offset=1)) == b""
    with pytest.raises(OutOfRangeError, match="has 1 bytes"):
        list(client.artifacts.open(stored, "3.txt", offset=2))
    with pytest.raises(OutOfRangeError):
        list(client.artifacts.open(stored, "3.txt", offset=-1))
