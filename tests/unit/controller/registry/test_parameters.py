import pytest

from dioptra_controller.registry.parameters import read_kinds


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("text", "string"),
        (None, "string"),
        (True, "boolean"),
        (3, "integer"),
        (0.5, "float"),
        ([1], "list"),
        ({"default": {"a": 1}}, "mapping"),
        ({"default": None}, "string"),
        ({"type": "number", "default": 1}, "float"),
        ({"type": "integer"}, "integer"),
        ({"type": "any", "default": 3}, "string"),
        ({"type": "null"}, "string"),
        ({"type": "size"}, "integer"),
        ({"type": "big_size"}, "integer"),
        ({"type": "plain"}, "string"),
        ({"type": "sizes"}, "list"),
        ({"type": "pair"}, "list"),
        ({"type": "table"}, "mapping"),
        ({"type": "maybe"}, "float"),
        ({"type": "numeric"}, "float"),
        ({"type": "mixed"}, "string"),
        ({"type": "lists"}, "list"),
        ({"type": "nowhere"}, "string"),
    ],
)
def test_the_kind_follows_the_type_or_else_the_default(declared, kind):
    types = {
        "size": {"is_a": "integer"},
        "big_size": {"is_a": "size"},
        "plain": None,
        "sizes": {"list": "size"},
        "pair": {"tuple": ["string", "size"]},
        "table": {"mapping": {"a": "size"}},
        "maybe": {"union": ["number", "null"]},
        "numeric": {"union": ["integer", "number"]},
        "mixed": {"union": ["integer", "string"]},
        "lists": {"union": [{"list": "string"}, "sizes"]},
    }
    assert read_kinds({"types": types, "parameters": {"p": declared}}) == {"p": kind}


def test_types_in_a_circle_end():
    types = {"a": {"is_a": "b"}, "b": {"union": ["a", "c"]}, "c": {"is_a": "a"}}
    parameters = {"p": {"type": "a"}}
    assert read_kinds({"types": types, "parameters": parameters}) == {"p": "string"}


def test_unions_of_unions_are_no_bomb():
    types = {f"t{n}": {"union": [f"t{n + 1}", f"t{n + 1}"]} for n in range(60)} | {"t60": "integer"}
    parameters = {"p": {"type": "t0"}}
    assert read_kinds({"types": types, "parameters": parameters}) == {"p": "integer"}


@pytest.mark.parametrize("description", [{}, {"parameters": None}, {"parameters": {}}])
def test_no_parameters_no_kinds(description):
    assert read_kinds(description) == {}
