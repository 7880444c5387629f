import pytest

from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
)


@pytest.mark.parametrize(
    ("structure", "code"),
    [
        ({"foo": 1}, "type.malformed"),
        ({"list": "nowhere"}, "type.not_found"),
        ({"list": "Mine"}, "type.cycle"),
        ({"mapping": ["boolean", "string"]}, "type.invalid_key"),
        ({"list": "integer", "tuple": []}, "type.malformed"),
        (["integer"], "type.malformed"),
    ],
)
def test_structures_that_no_entrypoint_could_use_are_refused(client, structure, code):
    with pytest.raises(InvalidDescriptionError) as refused:
        client.parameter_types.put("Mine", structure)
    assert [issue.code for issue in refused.value.issues] == [code]
    with pytest.raises(NotFoundError):
        client.parameter_types.get("Mine")


def test_types_build_on_each_other_and_have_snapshots(client):
    client.parameter_types.put("Row", {"tuple": ["string", "integer"]})
    client.parameter_types.put("Table", {"list": "Row"}, description="rows")
    assert client.parameter_types.put("Table", {"list": "Row"}, description="rows").snapshot == 1
    assert client.parameter_types.put("Table", {"list": "integer"}).snapshot == 2
    assert client.parameter_types.get("Table", snapshot=1).structure == {"list": "Row"}
    with pytest.raises(AlreadyExistsError):
        client.parameter_types.put("Table", mode="create")
    with pytest.raises(NotFoundError):
        client.parameter_types.put("Chair", mode="update")
    found = client.parameter_types.diff("Table")
    parts = [(one.part, one.before, one.after) for one in found.differences]
    assert parts == [
        ("description", "rows", ""),
        ("structure", '{"list": "Row"}', '{"list": "integer"}'),
    ]


@pytest.mark.parametrize("name", ["string", "INTEGER", " any", "", " "])
def test_names_of_built_in_types_are_taken(client, name):
    with pytest.raises(InvalidRequestError):
        client.parameter_types.put(name)


def test_built_in_types_are_listed_unless_asked_otherwise(client):
    client.parameter_types.put("Mine")
    client.parameter_types.tag("Mine", ["x"])
    names = [one.name for one in client.parameter_types.list()]
    assert names == ["Mine", "any", "boolean", "integer", "null", "number", "string"]
    newest = [one.name for one in client.parameter_types.list(order_by="create_time desc")]
    assert newest[0] == "Mine"
    assert sorted(newest) == names
    assert [one.name for one in client.parameter_types.list(tag="x")] == ["Mine"]
    client.parameter_types.delete("Mine")
    assert [one.name for one in client.parameter_types.list(deleted=True)] == ["Mine"]
    assert client.parameter_types.get("string").snapshot == 0
    with pytest.raises(NotFoundError):
        client.parameter_types.delete("string")


def test_the_command_line_does_it_all(run):
    made = run("type", "create", "Row", "--structure", '{"list": "integer"}', "--format", "json")
    assert made.json["structure"] == {"list": "integer"}
    run("type", "create", "Row", fails=1)
    run("type", "put", "Row", "--structure", "{", fails=2)
    assert "type.malformed" in run("type", "put", "Row", "--structure", '{"a": 1}', fails=1).err
    assert "snapshot 2" in run("type", "put", "Row").out
    assert "Row" in run("type", "show", "Row", "--snapshot", 1).out
    assert len(run("type", "history", "Row", "--format", "json").json) == 2
    assert "structure" in run("type", "diff", "Row").out
    run("type", "delete", "Row")
    run("type", "show", "Row", fails=3)
