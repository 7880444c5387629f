from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest

from dioptra_ray.language.issues import Issue
from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.project import ComposedEntrypoint, Project, compose_description, read_project

DATA = """\
from dioptra import pyplugs
from dioptra.sdk.api.artifact import ArtifactTaskInterface

@pyplugs.register
def load(path: str, limit: int = 3): ...

@pyplugs.register(num_gpus=1)
def show(rows: list[int], options: dict[str, int] = {}) -> None: ...

class Rows(ArtifactTaskInterface):
    @staticmethod
    def validation():
        return {"format": {"type": "string"}}
"""

CONFIG = """\
[[plugins]]
path = "plugins/data"
[[plugins.tasks.functions]]
filename = "tasks.py"
name = "load"
input_params = [ { name = "path", type = "string" }, { name = "limit", type = "integer" } ]
output_params = [ { name = "rows", type = "rows" } ]

[[plugin_param_types]]
name = "rows"
structure = { list = "cell" }
[[plugin_param_types]]
name = "cell"
[[plugin_param_types]]
name = "unused"

[[entrypoints]]
path = "e.yaml"
plugins = [ "data" ]
artifact_plugins = [ "data" ]
params = [ { name = "limit", type = "integer", default_value = "5" } ]
artifact_params = [ { name = "given", output_params = [ { name = "x", type = "any" } ] } ]
"""

GRAPH = """\
graph:
  first:
    load: { path: a.csv, limit: $limit }
artifacts:
  kept:
    contents: $first
    task: { name: Rows, args: { format: csv } }
execution:
  parallel: true
"""


def project(config: str = CONFIG, graph: str = GRAPH, **files: str) -> Project:
    texts = {"dioptra.toml": config, "e.yaml": graph, "plugins/data/tasks.py": DATA, **files}
    return read_project({path: text.encode() for path, text in texts.items()})


def compose(config: str = CONFIG, graph: str = GRAPH, **files: str) -> ComposedEntrypoint:
    read = project(config, dedent(graph), **files)
    return compose_description(read.entrypoints[0], plugins=read.plugins, types=read.types)


def errors(composed: ComposedEntrypoint) -> list[Issue]:
    return [issue for issue in composed.issues if issue.severity == "error"]


def test_description_is_self_contained() -> None:
    composed = compose()
    assert composed.issues == ()
    assert composed.description == {
        "types": {
            "cell": None,
            "rows": {"list": "cell"},
            "list_integer": {"list": "integer"},
            "mapping_string_integer": {"mapping": ["string", "integer"]},
        },
        "parameters": {"limit": {"type": "integer", "default": 5}},
        "tasks": {
            "load": {
                "plugin": "data.tasks.load",
                "inputs": [
                    {"name": "path", "type": "string", "required": True},
                    {"name": "limit", "type": "integer", "required": False},
                ],
                "outputs": {"rows": "rows"},
            },
            "show": {
                "plugin": "data.tasks.show",
                "inputs": [
                    {"name": "rows", "type": "list_integer", "required": True},
                    {"name": "options", "type": "mapping_string_integer", "required": False},
                ],
            },
        },
        "artifact_inputs": {"given": {"x": "any"}},
        "graph": {"first": {"load": {"path": "a.csv", "limit": "$limit"}}},
        "artifact_outputs": {
            "kept": {"contents": "$first", "task": {"name": "Rows", "args": {"format": "csv"}}}
        },
        "execution": {"parallel": True},
    }
    assert composed.artifact_tasks == {"Rows": "data.tasks.Rows"}
    assert composed.argument_schemas == {"Rows": {"format": {"type": "string"}}}
    assert composed.declarations == {"load": Declaration(), "show": Declaration(num_gpus=1.0)}
    assert composed.source == GRAPH


def test_equal_projects_compose_to_equal_text() -> None:
    assert repr(compose().description) == repr(compose().description)


@pytest.mark.parametrize(
    ("graph", "code", "line", "column"),
    [
        ("graph:\n  a:\n    laod: 1\n", "step.unknown_task", 3, None),
        ("graph:\n  a:\n    load: { limit: 1 }\n", "call.missing_required", 3, None),
        ("graph:\n  limit:\n    load: x\n", "name.collision", 2, 3),
        (
            (
                "graph:\n  a:\n    load: x\nartifacts:\n  k:\n    contents: $b\n"
                "    task: { name: Rows }\n"
            ),
            "ref.unresolvable@artifact_output",
            6,
            None,
        ),
        ("graph:\n  a: [\n", "", 3, None),
        ("execution: { parallel: true }\n", "schema", 1, None),
    ],
)
def test_problems_of_the_graph_are_placed_in_its_file(
    graph: str, code: str, line: int, column: int | None
) -> None:
    (issue,) = errors(compose(graph=graph))
    assert (issue.file, issue.line) == ("e.yaml", line)
    assert issue.code.startswith(code)
    assert column in {None, issue.column}


def test_problems_of_the_registration_are_placed_in_its_file() -> None:
    read = project(CONFIG)
    types = [
        replace(one, structure={"list": "sell"}) if one.name == "rows" else one
        for one in read.types
    ]
    composed = compose_description(read.entrypoints[0], plugins=read.plugins, types=types)
    found = {(issue.file, issue.line) for issue in errors(composed)}
    assert found == {("dioptra.toml", 9)}


OTHER = """
[[plugins]]
path = "plugins/other"
"""


def ambiguous(graph: str) -> ComposedEntrypoint:
    config = CONFIG.replace('plugins = [ "data" ]\na', 'plugins = [ "data", "other" ]\na') + OTHER
    return compose(config, graph, **{"plugins/other/tasks.py": DATA})


def test_ambiguous_task_that_is_used_is_an_error() -> None:
    found = {issue.code: issue for issue in errors(ambiguous(GRAPH))}
    issue = found.pop("task.ambiguous")
    assert found == {}
    assert issue.file == "dioptra.toml"


def test_ambiguous_task_that_is_not_used_is_a_warning() -> None:
    composed = ambiguous("graph:\n  a:\n    load: x\n")
    warnings = [issue for issue in composed.issues if issue.severity == "warning"]
    assert {issue.code for issue in warnings} == {"task.ambiguous"}
    assert any(
        "data.tasks.show" in one.message and "other.tasks" in one.message for one in warnings
    )
    assert "show" not in composed.description["tasks"]


def parameter(kind: str, graph: str, default: str = "") -> ComposedEntrypoint:
    config = CONFIG.replace(
        '{ name = "limit", type = "integer", default_value = "5" }',
        f'{{ name = "p", type = "{kind}"{default} }}',
    )
    return compose(config, graph)


@pytest.mark.parametrize(
    ("kind", "type_name", "graph"),
    [
        ("list", "list_integer", "graph:\n  a:\n    show: $p\n"),
        ("mapping", "mapping_string_integer", "graph:\n  a:\n    show: {rows: [], options: $p}\n"),
        ("list", "list_parameter", "graph:\n  a:\n    load: x\n"),
        ("mapping", "mapping_parameter", "graph:\n  a:\n    load: x\n"),
    ],
)
def test_structured_parameters_need_no_default(kind: str, type_name: str, graph: str) -> None:
    composed = parameter(kind, graph)
    assert composed.issues == ()
    assert composed.description["parameters"] == {"p": {"type": type_name}}
    assert type_name in composed.description["types"]


def test_structured_parameter_where_a_scalar_is_wanted_is_an_error() -> None:
    composed = parameter("list", "graph:\n  a:\n    load: $p\n")
    assert [issue.code for issue in errors(composed)] == ["arg.positional_mismatch"]


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        ("list", "[1]", {"default": [1]}),
        ("mapping", '{\\"a\\": 1}', {"default": {"a": 1}}),
        ("float", "1", {"type": "number", "default": 1.0}),
        ("string", "$x", {"type": "string", "default": "$x"}),
    ],
)
def test_defaults_become_values(kind: str, default: str, expected: dict[str, Any]) -> None:
    composed = parameter(kind, "graph:\n  a:\n    load: x\n", f', default_value = "{default}"')
    assert composed.description["parameters"] == {"p": expected}
    assert composed.issues == ()


def test_other_sections_of_the_file_are_not_read() -> None:
    composed = compose(graph=GRAPH + "parameters: { limit: 7 }\n")
    (warning,) = composed.issues
    assert (warning.code, warning.severity) == ("entrypoint.ignored_section", "warning")
    assert (warning.line, warning.column) == (10, 1)
    assert composed.description["parameters"]["limit"]["default"] == 5


SELF_CONTAINED = """\
tasks:
  read: { plugin: data.tasks.load, inputs: [ { path: string } ], outputs: { rows: any } }
  show: { plugin: data.tasks.show, inputs: [ { rows: any } ] }
graph:
  a: { read: x }
  b: { show: $a }
  c: { shwo: $a }
artifact_outputs:
  kept: { contents: $a, task: { name: Rows } }
"""


def test_self_contained_files_name_plugins_themselves() -> None:
    composed = compose(graph=SELF_CONTAINED)
    (issue,) = composed.issues
    assert (issue.code, issue.file, issue.line) == ("step.unknown_task", "e.yaml", 7)
    assert composed.description["tasks"]["read"]["plugin"] == "data.tasks.load"
    assert composed.artifact_tasks == {"Rows": "data.tasks.Rows"}
    assert composed.declarations == {"read": Declaration(), "show": Declaration(num_gpus=1.0)}


SWAPS = """\
graph:
  first:
    load: { path: a.csv, limit: $limit }
  second:
    ?how:
      ?outputs: []
      shown:
        show: [ $first ]
"""


def test_swaps_are_chosen_with_what_their_tasks_declare() -> None:
    graph = SWAPS.replace("show: [ $first ]", "show: [ [ 1, 2 ] ]")
    composed = compose(graph=graph)
    assert composed.issues == ()
    chosen = composed.choose({"how": "shown"})
    assert chosen.description["graph"]["second"] == {"show": [[1, 2]]}
    assert chosen.declarations["show"] == Declaration(num_gpus=1)


def test_the_copy_of_a_task_declares_what_the_task_does() -> None:
    graph = SWAPS.replace("?outputs: []", "?outputs: [table]").replace(
        "shown:\n        show: [ $first ]", "again:\n        load: [ b.csv ]"
    )
    config = CONFIG.replace('name = "load"\n', 'name = "load"\nnum_cpus = 2\n')
    composed = compose(config, graph)
    assert composed.issues == ()
    chosen = composed.choose({"how": "again"})
    (task,) = chosen.description["graph"]["second"]
    assert task != "load"
    assert chosen.description["tasks"][task]["outputs"] == {"table": "rows"}
    assert chosen.declarations[task] == chosen.declarations["load"] == Declaration(num_cpus=2)
