"""The type rules against what Dioptra answered (cases/types.jsonl)."""

import json
from pathlib import Path
from typing import Any

import pytest

from dioptra_ray.language.types import (
    SimpleType,
    Type,
    TypeDefinitionError,
    UnionType,
    build_types,
    common_base,
    infer,
    is_compatible,
    parse_type,
)
from dioptra_ray.language.validation.scope import Scope
from dioptra_ray.language.validation.typing import Resolver
from dioptra_ray.language.yaml_reader import read_yaml

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "types.jsonl").read_text().splitlines()
]


def cases_of(*kinds: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] in kinds]


def canonical(definition: Any) -> Any:
    """Union members sorted, as the cases' README says; property order means nothing in JSON."""
    if not isinstance(definition, dict):
        return definition
    ((kind, parts),) = definition.items()
    if kind == "union":
        return {
            kind: sorted(map(canonical, parts), key=lambda part: json.dumps(part, sort_keys=True))
        }
    if isinstance(parts, dict):
        return {kind: {name: canonical(part) for name, part in parts.items()}}
    return {
        kind: [canonical(part) for part in parts] if isinstance(parts, list) else canonical(parts)
    }


def value_of(case: dict[str, Any]) -> Any:
    return case["value"] if "value_yaml" not in case else read_yaml(case["value_yaml"]).value


def class_of(built: Type) -> str:
    if isinstance(built, SimpleType):
        return "SimpleType"
    return "UnionType" if isinstance(built, UnionType) else "StructuredType"


def test_every_kind_of_case_is_run() -> None:
    run = {
        "compat",
        "infer",
        "infer_compat",
        "common_base",
        "registry",
        "infer_scope",
        "param_types",
    }
    assert {case["kind"] for case in CASES} <= run


@pytest.mark.parametrize("case", cases_of("compat"))
def test_compatibility_and_equality(case: dict[str, Any]) -> None:
    if case.get("api_only"):
        # A union without members cannot be written in a description; its class can hold it.
        left, right = (_with_empty_unions(case[side], case["types"]) for side in "ab")
    else:
        types = build_types(case["types"])
        left, right = parse_type(case["a"], types), parse_type(case["b"], types)
    assert (is_compatible(left, right), left == right) == (case["compatible"], case["equal"])


def _with_empty_unions(definition: Any, types: dict[str, Any]) -> Type:
    if definition == {"union": []}:
        return UnionType(())
    return parse_type(definition, build_types(types))


@pytest.mark.parametrize("case", cases_of("infer", "infer_compat"))
def test_inference(case: dict[str, Any]) -> None:
    found = infer(value_of(case))
    assert canonical(found.definition) == canonical(case["type"])
    if "b" in case:
        wanted = parse_type(case["b"], build_types(case["types"]))
        assert is_compatible(found, wanted) == case["compatible"]


@pytest.mark.parametrize("case", cases_of("infer_scope"))
def test_inference_of_references(case: dict[str, Any]) -> None:
    found = infer(case["value"], Resolver(Scope(case["scope"])))
    assert canonical(found.definition) == canonical(case["type"])


@pytest.mark.parametrize("case", cases_of("param_types"))
def test_types_of_parameters(case: dict[str, Any]) -> None:
    resolver = Resolver(Scope(case["scope"]))
    found = {name: resolver.parameter(name).definition for name in case["scope"]["parameters"]}
    assert found == case["result"]


@pytest.mark.parametrize("case", cases_of("common_base"))
def test_common_base(case: dict[str, Any]) -> None:
    types = build_types(case["types"])
    assert common_base(types[name] for name in case["names"]).definition == case["base"]


@pytest.mark.parametrize("case", cases_of("registry"))
def test_building(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(TypeDefinitionError):
            build_types(case["types"])
        return
    types = build_types(case["types"])
    supertypes = {
        name: built.supertype.name
        for name, built in types.items()
        if isinstance(built, SimpleType) and built.supertype is not None
    }
    found = {
        name: {"class": class_of(types[name]), "super": supertypes.get(name)}
        for name in case["types"]
    }
    assert found == case["result"]
