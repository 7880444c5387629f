"""Manifests as values."""

import json

import pytest

from dioptra_ray.errors import DataLossError
from dioptra_ray.store.manifest import Manifest, ManifestFile, make_manifest, media_type

A = ManifestFile(path="a.txt", size=1, digest="sha256:aa", media_type="text/plain")
B = ManifestFile(path="sub/b.csv", size=2, digest="sha256:bb", media_type="text/csv")


def test_json_gives_it_back() -> None:
    manifest = make_manifest("d", [B, A], is_directory=True, directories=["z", "e"])
    assert manifest.files == (A, B)
    assert manifest.directories == ("e", "z")
    assert manifest.size == 3
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_digest_of_a_directory_depends_on_names_contents_and_empty_directories() -> None:
    digests = {
        make_manifest("d", files, is_directory=True, directories=directories).digest
        for files, directories in [
            ([], []),
            ([], ["e"]),
            ([A], []),
            ([A, B], []),
            ([ManifestFile(path="c.txt", size=1, digest=A.digest)], []),
            ([ManifestFile(path="a.txt", size=1, digest=B.digest)], []),
        ]
    }
    assert len(digests) == 6
    one = make_manifest("d", [A, B], is_directory=True)
    assert one.digest == make_manifest("other name", [B, A], is_directory=True).digest


@pytest.mark.parametrize(
    "change",
    [
        {"basename": "../x"},
        {"basename": ".."},
        {"basename": ""},
        {"files": [{"path": "/etc/x", "size": 1, "digest": "d"}]},
        {"files": [{"path": "a/../../x", "size": 1, "digest": "d"}]},
        {"files": [{"path": "a", "size": 1}]},
        {"directories": [".."]},
        {"is_directory": False},
        {"size": "many"},
    ],
)
def test_damage_is_seen(change: dict[str, object]) -> None:
    data = json.loads(make_manifest("d", [A, B], is_directory=True).to_json())
    with pytest.raises(DataLossError, match="damaged"):
        Manifest.from_json(json.dumps({**data, **change}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.csv", "text/csv"),
        ("x.csv.gz", "application/gzip"),
        ("x.PNG", "image/png"),
        ("x.pt", "application/x-pytorch"),
        ("x.json", "application/json"),
        ("x", "application/octet-stream"),
    ],
)
def test_media_types(name: str, expected: str) -> None:
    assert media_type(name) == expected
