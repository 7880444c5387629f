import io
import tarfile
import zipfile

import pytest

from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
)

EXTRA = """
[[plugins]]
path = "plugins/other"
"""


def pack_tar(folder):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname="scale-main")
    return buffer.getvalue()


def pack_zip(folder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def outcomes(imported):
    return [(one.name, one.snapshot, one.outcome) for one in imported]


@pytest.mark.parametrize(("name", "pack"), [("p.tar.gz", pack_tar), ("p.zip", pack_zip)])
def test_an_archive_imports_as_its_folder_does(  # noqa: PLR0917 - all fixtures but two
    client, run, project, tmp_path, name, pack
):
    archive = tmp_path / name
    archive.write_bytes(pack(project))
    first = client.import_project(archive)
    assert [one.outcome for one in first] == ["created"] * 3
    assert outcomes(client.import_project(project)) == [
        ("maths", 1, "unchanged"),
        ("Pairs", 1, "unchanged"),
        ("scale", 1, "unchanged"),
    ]
    assert "unchanged" in run("import", archive).out


def test_what_is_no_archive_is_refused(client, tmp_path):
    for name, error in (("p.zip", InvalidRequestError), ("p.tar.gz", InvalidRequestError)):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(error):
            client.import_project(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("a.txt", "")
    with pytest.raises(NotFoundError, match=r"no dioptra\.toml"):
        client.import_project(tmp_path / "empty.zip")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../dioptra.toml", "")
    with pytest.raises(InvalidRequestError):
        client.import_project(tmp_path / "out.zip")


def test_strategies_differ_in_what_they_do_with_what_is_there(client, project):
    client.import_project(project)
    client.plugins.put_file("maths", "more.py", b"")
    with pytest.raises(AlreadyExistsError, match="plugin 'maths', parameter type 'Pairs'"):
        client.import_project(project, strategy="fail")
    updated = client.import_project(project, strategy="update")
    assert outcomes(updated)[0] == ("maths", 2, "unchanged")
    assert outcomes(updated)[2] == ("scale", 2, "updated")
    overwritten = client.import_project(project, strategy="overwrite")
    assert outcomes(overwritten)[0] == ("maths", 3, "updated")
    assert [path for path, _ in client.plugins.get("maths").files] == ["tasks.py", "writers.py"]


def test_nothing_is_imported_when_anything_is_wrong(client, project):
    (project / "plugins" / "other").mkdir()
    (project / "plugins" / "other" / "t.py").write_text("def (:")
    with (project / "dioptra.toml").open("a") as config:
        config.write(EXTRA)
    with pytest.raises(InvalidDescriptionError):
        client.import_project(project)
    assert client.plugins.list() == ()


def test_structures_are_checked_like_any_others(client, project):
    config = (project / "dioptra.toml").read_text()
    (project / "dioptra.toml").write_text(config.replace("{ list = {", "{ lost = {"))
    with pytest.raises(InvalidDescriptionError) as refused:
        client.import_project(project)
    (issue,) = refused.value.issues
    assert (issue.file, issue.line) == ("dioptra.toml", 5)


def test_warnings_are_returned_and_printed(client, run, project):
    with (project / "scale.yaml").open("a") as graph:
        graph.write("parameters: {x: 1}\n")
    imported = client.import_project(project)
    assert [issue.code for issue in imported.warnings] == ["entrypoint.ignored_section"]
    ran = run("import", project)
    assert "entrypoint.ignored_section" in ran.err
    assert "scale" in ran.out
    found = run("import", project, "--format", "json").json
    assert [one["code"] for one in found["warnings"]] == ["entrypoint.ignored_section"]


def test_a_deleted_name_is_imported_as_a_new_one(client, project):
    client.import_project(project)
    client.plugins.delete("maths")
    assert outcomes(client.import_project(project, strategy="update"))[0] == (
        "maths",
        2,
        "created",
    )


def test_importing_again_brings_back_files_that_the_store_has_lost(client, project, tmp_path):
    client.import_project(project)
    (lost,) = (path for path in tmp_path.rglob("*.tar.gz") if "plugins" in path.parts)
    lost.unlink()
    with pytest.raises(NotFoundError, match="import the plugin again"):
        client.plugins.get_file("maths", "tasks.py")
    client.import_project(project)
    assert b"scale" in client.plugins.get_file("maths", "tasks.py")
