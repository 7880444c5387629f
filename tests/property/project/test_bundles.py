"""Whatever is packed comes back, from bytes that depend on nothing else."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.plugins.bundle import pack, read_archive, read_folder, unpack

parts = st.text("abcXYZ_019", min_size=1, max_size=8)
paths = st.lists(parts, min_size=1, max_size=3).map(lambda names: "/".join(names) + ".py")
contents = st.dictionaries(paths, st.binary(max_size=300), max_size=6)


@given(contents)
def test_files_round_trip(files: dict[str, bytes]) -> None:
    bundle = pack(files)
    assert read_archive(bundle.content) == files
    assert pack(dict(sorted(files.items(), reverse=True))) == bundle
    with tempfile.TemporaryDirectory() as folder:
        unpack(bundle.content, Path(folder))
        assert read_folder(Path(folder)) == files


@given(contents, contents)
def test_digests_tell_files_apart(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (pack(one).digest == pack(other).digest) == (one == other)
