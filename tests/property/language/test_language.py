"""The language on inputs that nobody thought of."""

import copy
import datetime as dt
import json
import math
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import load, validate
from dioptra_ray.language.graph import execution_order, links
from dioptra_ray.language.types import (
    BUILTIN_TYPES,
    Type,
    TypeDefinitionError,
    build_types,
    infer,
    is_compatible,
    parse_type,
)
from dioptra_ray.language.yaml_reader import read_yaml

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

WORDS = "a b c t u x T U string integer any null task name args kwargs dependencies type default"
NAMES = st.sampled_from([*WORDS.split(), "", " ", "a.b", "$a", "$$a", "$"])
REFERENCES = st.sampled_from(["$a", "$b", "$c", "$x", "$a.o", "$b.p", "$a.", "$.", "$$", "$"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | NAMES
    | REFERENCES
    | st.text(max_size=5)
    | st.dates()
    | st.binary(max_size=3)
)
KEYS = NAMES | st.integers(0, 3) | st.none() | st.booleans() | st.floats() | st.dates()
VALUES = st.recursive(
    SCALARS,
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(KEYS, parts, max_size=3)
        | st.tuples(parts)
        | st.frozensets(st.text(max_size=2) | st.integers(), max_size=2)
    ),
    max_leaves=12,
)

# Descriptions that are nearly right reach the rules behind the schema.
TYPE_NAMES = st.sampled_from(["T", "U", "V", *BUILTIN_TYPES])
PARTS = st.recursive(
    TYPE_NAMES,
    lambda parts: (
        st.builds(lambda part: {"list": part}, parts)
        | st.builds(lambda many: {"tuple": many}, st.lists(parts, max_size=3))
        | st.builds(lambda many: {"union": many}, st.lists(parts, max_size=3))
        | st.builds(lambda key, part: {"mapping": [key, part]}, parts, parts)
        | st.builds(lambda many: {"mapping": many}, st.dictionaries(NAMES, parts, max_size=2))
    ),
    max_leaves=5,
)
SIMPLE = st.none() | st.just({}) | st.builds(lambda name: {"is_a": name}, TYPE_NAMES)
DEFINITIONS = SIMPLE | PARTS.filter(lambda part: isinstance(part, dict))
OUTPUT = st.builds(lambda name, declared: {name: declared}, st.sampled_from("op"), TYPE_NAMES)
OUTPUTS = OUTPUT | st.lists(OUTPUT, max_size=2)
INPUT = st.builds(lambda name, declared: {name: declared}, st.sampled_from("xyz"), TYPE_NAMES)
LONG_INPUT = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "y", "name", "task"]), "type": TYPE_NAMES},
    optional={"required": st.booleans()},
)
TASK = st.fixed_dictionaries(
    {"plugin": st.sampled_from(["m.f", "p.m.f", "abc", "a..b"])},
    optional={"inputs": st.lists(INPUT | LONG_INPUT, max_size=3), "outputs": OUTPUTS},
)
STEP_NAMES = st.sampled_from(["a", "b", "c", "d"])
ARGUMENT = REFERENCES | st.recursive(
    SCALARS | REFERENCES,
    lambda parts: st.lists(parts) | st.dictionaries(KEYS, parts, max_size=2),
    max_leaves=4,
)
KEYWORDS = st.dictionaries(st.sampled_from(["x", "y", "z", "task", "name"]), ARGUMENT, max_size=3)
DEPENDENCIES = STEP_NAMES | st.lists(STEP_NAMES, max_size=2)
TASK_NAMES = st.sampled_from(["t", "u"])
SHORT_STEP = st.builds(
    lambda task, argument, more: {task: argument, **more},
    TASK_NAMES,
    st.lists(ARGUMENT, max_size=3) | KEYWORDS | SCALARS,
    st.just({}) | st.builds(lambda names: {"dependencies": names}, DEPENDENCIES),
)
MIXED_STEP = st.fixed_dictionaries(
    {"task": TASK_NAMES},
    optional={
        "args": st.lists(ARGUMENT, max_size=2),
        "kwargs": KEYWORDS,
        "dependencies": DEPENDENCIES,
    },
)
DESCRIPTIONS = st.fixed_dictionaries(
    {
        "tasks": st.dictionaries(TASK_NAMES, TASK, min_size=1, max_size=2),
        "graph": st.dictionaries(STEP_NAMES, SHORT_STEP | MIXED_STEP, min_size=1, max_size=4),
    },
    optional={
        "types": st.dictionaries(st.sampled_from(["T", "U", "V"]), DEFINITIONS, max_size=3),
        "parameters": st.dictionaries(
            st.sampled_from(["x", "y", "a"]),
            st.integers()
            | st.fixed_dictionaries({"type": TYPE_NAMES}, optional={"default": VALUES}),
            max_size=2,
        ),
        "artifact_inputs": st.dictionaries(st.sampled_from(["a", "c", "q"]), OUTPUTS, max_size=2),
        "artifact_outputs": st.dictionaries(
            NAMES,
            st.fixed_dictionaries(
                {"contents": REFERENCES, "task": st.just({"name": "Known", "args": {"n": 1}})}
            ),
            max_size=1,
        ),
        "execution": VALUES
        | st.fixed_dictionaries({"steps": st.dictionaries(STEP_NAMES, VALUES, max_size=2)}),
    },
)
KNOWN = {"Known": {"n": {"type": "integer"}}}


def is_valid(description: Any) -> bool:
    return all(issue.severity != "error" for issue in validate(description, KNOWN))


@SLOW
@given(VALUES)
def test_validation_never_raises_on_any_value(value):
    issues = validate(value)
    if not isinstance(value, dict):
        assert issues


@SLOW
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "types",
                "parameters",
                "tasks",
                "graph",
                "execution",
                "artifact_inputs",
                "artifact_outputs",
            ]
        ),
        VALUES,
    )
)
def test_validation_never_raises_on_any_sections(sections):
    assert "tasks" in sections or validate(sections)
    validate(sections, KNOWN)


@SLOW
@given(DESCRIPTIONS)
def test_validation_is_deterministic_and_changes_nothing(description):
    before = copy.deepcopy(description)
    issues = validate(description, KNOWN)
    assert description == before
    assert validate(before, KNOWN) == issues


@SLOW
@given(DESCRIPTIONS)
def test_the_order_of_sections_means_nothing(description):
    turned = dict(reversed(description.items()))
    assert validate(turned, KNOWN) == validate(description, KNOWN)


@SLOW
@given(DESCRIPTIONS)
def test_the_order_of_entries_changes_no_verdict(description):
    turned = {
        section: dict(reversed(entries.items()))
        if section != "execution" and isinstance(entries, dict)
        else entries
        for section, entries in description.items()
    }
    assert is_valid(turned) == is_valid(description)


@SLOW
@given(DESCRIPTIONS)
def test_a_valid_graph_has_an_order_that_respects_its_links(description):
    if not is_valid(description):
        return
    order = execution_order(description)
    assert sorted(order) == sorted(description["graph"])
    for step, found in links(description).items():
        for before in (*found.data, *found.order_only):
            assert order.index(before) < order.index(step)


@SLOW
@given(DESCRIPTIONS)
def test_issues_survive_the_round_trip_through_yaml(description):
    try:
        loaded = load(yaml.safe_dump(description, sort_keys=False), file="x.yaml")
    except (InvalidDescriptionError, yaml.YAMLError):
        return  # keys that PyYAML cannot tell apart, such as 1 and true
    if not _same(dict(loaded), description):
        return  # tuples become lists
    placed = validate(loaded, KNOWN)
    plain = validate(description, KNOWN)
    assert [(i.code, i.path) for i in placed] == [(i.code, i.path) for i in plain]
    assert all(issue.line and issue.column for issue in placed)


@SLOW
@given(DESCRIPTIONS)
def test_valid_descriptions_survive_the_round_trip_through_json(description):
    if not is_valid(description):
        return
    try:
        loaded = load(json.dumps(description), file="x.json")
    except (TypeError, InvalidDescriptionError):
        return  # dates, bytes, and keys that JSON would make equal
    if not _same(dict(loaded), description):
        return  # tuples become lists, keys texts
    found, placed = validate(description, KNOWN), validate(loaded, KNOWN)
    assert [(i.code, i.path) for i in placed] == [(i.code, i.path) for i in found]
    assert all(issue.line and issue.column for issue in placed)
    assert _same(dict(load(json.dumps(loaded), file="x.json")), dict(loaded))


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@SLOW
@given(st.dictionaries(st.sampled_from(["T", "U", "V"]), DEFINITIONS, max_size=3), PARTS)
def test_building_types_either_works_or_says_why(definitions, part):
    try:
        types = build_types(definitions)
        built = parse_type(part, types)
    except TypeDefinitionError:
        return
    assert is_compatible(built, built)
    assert is_compatible(built, types["any"])
    assert parse_type(built.definition, types) == built


SIMPLE_CHAINS = st.dictionaries(
    st.sampled_from(["A", "B", "C", "D"]),
    st.none() | st.builds(lambda n: {"is_a": n}, st.sampled_from(["A", "B", "C", "D", "number"])),
)


@SLOW
@given(SIMPLE_CHAINS)
def test_simple_types_form_a_preorder(definitions):
    try:
        types = build_types(definitions)
    except TypeDefinitionError:
        return
    everything: list[Type] = [each for name, each in types.items() if name != "any"]
    fits = {(a, b) for a in everything for b in everything if is_compatible(a, b)}
    assert all((a, a) in fits for a in everything)
    assert all((a, c) in fits for a, b in fits for other, c in fits if b == other)
    assert all(a == b for a, b in fits if (b, a) in fits)


@SLOW
@given(VALUES)
def test_inference_never_raises_and_its_types_can_be_written(value):
    found = infer(value)
    definition = json.loads(json.dumps(found.definition))
    assert parse_type(definition, BUILTIN_TYPES) == found


@SLOW
@given(st.text() | st.text(alphabet="a: -[]{}&*!|>'\"\n\t#%@`,?<\\0x1~") | st.binary())
@example("a: &a [*a]")
@example("? [a]\n: b")
@example("a: !!set {a, b}\n<<: {c: 1}")
@example("%YAML 1.1\n--- {a: =}")
def test_loading_never_raises_anything_else(text):
    try:
        description = load(text, file="x")
    except InvalidDescriptionError as error:
        problems = error.issues
    else:
        validate(description)
        return
    assert problems


@SLOW
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
        lambda parts: (
            st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=5), parts, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_yaml_is_read_as_pyyaml_reads_it(value):
    text = yaml.safe_dump(value, allow_unicode=True)
    document = read_yaml(text)
    assert not document.issues
    assert _equal(document.value, yaml.safe_load(text))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


@SLOW
@given(st.text(alphabet="ab: -[]{}&*!|>'\"\n#,?<1", max_size=60))
def test_what_both_accept_they_read_alike(text):
    """libyaml does our parsing; where PyYAML accepts a text too, both mean the same."""
    document = read_yaml(text)
    try:
        expected = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    if not document.issues:
        assert _same_value(document.value, expected)


def _same_value(one: Any, other: Any) -> bool:
    return _equal(one, other) or (isinstance(one, dt.date) and one == other)
