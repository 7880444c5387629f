import copy
import datetime as dt
import pickle

import pytest

from dioptra_ray.errors import InvalidDescriptionError, NotFoundError
from dioptra_ray.language import limits, load
from dioptra_ray.language.positions import position_of


def refusal(text, **options):
    with pytest.raises(InvalidDescriptionError) as caught:
        load(text, **options)
    return [(issue.code, issue.line, issue.column) for issue in caught.value.issues]


def test_yaml_is_read_as_yaml_1_1():
    text = "a: on\nb: 012\nc: 1e3\nd: 2020-01-02\ne: 0o12\nf: ~\n1: x\nnull: y\n"
    assert load(text) == {
        "a": True,
        "b": 10,
        "c": "1e3",
        "d": dt.date(2020, 1, 2),
        "e": "0o12",
        "f": None,
        1: "x",
        None: "y",
    }


def test_merge_keys_are_followed():
    assert load("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")["b"] == {"x": 3, "y": 2}


def test_json_is_read_as_json():
    assert load('{"a":\t1e3, "b": "\\/\\ud83d\\ude00"}') == {"a": 1000.0, "b": "/\U0001f600"}


@pytest.mark.parametrize(("name", "value"), [("x.yaml", "1e3"), ("x.json", 1000.0), ("x", 1000.0)])
def test_the_suffix_of_a_file_chooses_the_format(tmp_path, name, value):
    path = tmp_path / name
    path.write_text('{"a": 1e3}')
    assert load(path) == {"a": value}
    assert load(str(path)).file == str(path)


def test_bytes_may_have_a_byte_order_mark():
    assert load("a: \u00e9\n".encode("utf-8-sig")) == {"a": "\u00e9"}
    assert load("a: \u00e9\n".encode("utf-16")) == {"a": "\u00e9"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a: 1\nb: {c: 1, c: 2}\na: 3\n",
            [("syntax.duplicate_key", 3, 1), ("syntax.duplicate_key", 2, 11)],
        ),
        ("{1: a, true: b}\n", [("syntax.duplicate_key", 1, 8)]),
        ('{"a": 1,\n "a": 2}', [("syntax.duplicate_key", 2, 2)]),
        ('{"a":\t1,\n "b": {"c": 1, "c": 2}}', [("syntax.duplicate_key", 2, 16)]),
        ("a:\n\tb: 1\n", [("syntax.invalid", 2, 1)]),
        ("a: [1\n", [("syntax.invalid", 2, 1)]),
        ("a: 1\nb: \0\n", [("syntax.character", 2, 4)]),
        ("a: \ud800\n", [("syntax.character", 1, 4)]),
        ('a: "\\ud800"\n', [("syntax.value", 1, 4)]),
        ('{"a": "\\ud800"}', [("syntax.value", 1, 1)]),
        ("a: 2020-13-45\nb: !!int x\n", [("syntax.value", 1, 4), ("syntax.value", 2, 4)]),
        ("a: !!timestamp x\n", [("syntax.value", 1, 4)]),
        ("a: !!python/object:os.system {}\n", [("syntax.value", 1, 4)]),
        ("a: {{ b }}\n", [("syntax.value", 1, 5)]),
        ("a: {<<: 3}\n", [("syntax.value", 1, 4)]),
        ("a: &a [*a]\n", [("syntax.alias", 1, 8)]),
        ("a: *b\n", [("syntax.invalid", 1, 4)]),
        ("a: 1\n---\nb: 2\n", [("syntax.invalid", 2, 1)]),
        ("", [("syntax.not_a_mapping", 1, 1)]),
        ("- a\n- b\n", [("syntax.not_a_mapping", 1, 1)]),
        ("no such file", [("syntax.not_a_mapping", 1, 1)]),
        (b"a: \xff\n", [("syntax.encoding", 1, 1)]),
        ("a: 1" + ":1" * 1_000, [("syntax.value", 1, 4)]),
        ("a: " + "9" * 5_000, [("syntax.value", 1, 4)]),
    ],
)
def test_what_is_wrong_is_an_issue_with_its_place(text, expected):
    assert sorted(refusal(text)) == sorted(expected)


def test_broken_json_is_told_as_json_when_the_file_says_so(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": 1,\n "b" 2}')
    assert refusal(path) == [("syntax.invalid", 2, 6)]


def test_depth_is_bounded():
    deepest = "a: " + "[" * (limits.MAX_DEPTH - 1) + "]" * (limits.MAX_DEPTH - 1)
    assert load(deepest + "\n")
    assert refusal("a: " + "[" * 100_000)[0][0] == "syntax.too_deep"
    assert refusal("".join(" " * depth + "a:\n" for depth in range(200)))[0][0] == "syntax.too_deep"
    assert refusal('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")[0][0] == "syntax.too_deep"


def test_aliases_cannot_multiply_without_bound():
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    assert refusal(bomb)[0][0] == "syntax.too_large"
    merges = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 20)}]}}\n" for n in range(1, 12)
    )
    assert refusal(merges)[0][0] == "syntax.too_large"


def test_nesting_through_aliases_counts():
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))
    assert refusal(chain)[0][0] == "syntax.too_deep"


def test_length_is_bounded():
    assert refusal("a: " + "x" * limits.MAX_TEXT)[0][0] == "syntax.too_large"


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="There is no file"):
        load(tmp_path / "missing.yaml")


def test_every_part_has_its_place():
    description = load("a:\n  - 1\n  - b: {c: 2}\n'd e': x\n", file="x.yaml")
    assert description.file == "x.yaml"
    assert position_of(description, "$") == (1, 1)
    assert position_of(description, "$.a[1].b.c") == (3, 12)
    assert position_of(description, "$.a[1].b.c", key=True) == (3, 9)
    assert position_of(description, ("d e",)) == (4, 8)
    assert position_of(description, ("d e",), key=True) == (4, 1)


def test_a_place_that_does_not_exist_is_that_of_what_is_around_it():
    description = load("a:\n  b: 1\n")
    assert position_of(description, "$.a.c") == (2, 3)
    assert position_of(description, ("a", [])) == (2, 3)


def test_json_has_places_too():
    description = load('{\n\t"a": {\n\t\t"b": [1, 2]}}')
    assert position_of(description, "$.a.b[1]") == (3, 12)


def test_other_mappings_have_no_places():
    assert position_of({"a": 1}, "$.a") is None


def test_copies_are_plain_mappings():
    description = load("a: {b: 1}\n")
    for twin in (copy.deepcopy(description), pickle.loads(pickle.dumps(description))):
        assert twin == {"a": {"b": 1}}
        assert type(twin) is dict


def test_an_alias_is_placed_where_its_value_is_written():
    description = load("a: &x {b: 1}\nc: *x\n")
    assert position_of(description, "$.c.b") == (1, 11)
    assert position_of(description, "$.c", key=True) == (2, 1)


def test_numbers_of_thousands_of_digits_are_refused():
    """Found by fuzzing: PyYAML lets Python's own limit out."""
    with pytest.raises(InvalidDescriptionError) as caught:
        load("%YAML " + "9" * 5000 + ".1\n--- {}\n", file="a.yaml")
    assert [issue.code for issue in caught.value.issues] == ["syntax.invalid"]
