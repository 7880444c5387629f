import pytest

from dioptra_ray.language import load, validate

TASKS = """
tasks:
  make: {plugin: m.make, inputs: [{size: integer}], outputs: {made: string}}
  pair: {plugin: m.pair, outputs: [{left: string}, {right: string}]}
  show: {plugin: m.show, inputs: [{text: string}, {name: times, type: integer, required: false}]}
"""


def issues_of(text, artifact_tasks=None):
    return validate(load(text, file="x.yaml"), artifact_tasks)


def only(text, artifact_tasks=None):
    (issue,) = issues_of(text, artifact_tasks)
    return issue


def graph(*steps):
    return TASKS + "graph:\n" + "".join(f"  {step}\n" for step in steps)


def test_a_valid_description_has_no_issues():
    assert issues_of(graph("a: {make: 3}", "b: {show: $a}")) == []


def test_an_issue_has_file_line_column_path_and_a_suggestion():
    issue = only(graph("a: {make: 3}", "b: {shwo: $a}"))
    assert (issue.file, issue.line, issue.column) == ("x.yaml", 8, 7)
    assert issue.path == "$.graph.b.shwo"
    assert issue.code == "step.unknown_task"
    assert issue.message == 'Step "b" calls "shwo", which is no task. Did you mean \'show\'?'


def test_all_problems_come_in_one_pass():
    text = graph("a: {make: []}", "b: {show: [$c, $pair.left], dependencies: x}") + (
        "parameters: {p: {type: intger}}\ntypes: {T: {list: U}}\n"
    )
    assert sorted(issue.code for issue in issues_of(text)) == [
        "call.missing_required",
        "param.undefined_type",
        "ref.unresolvable@step",
        "ref.unresolvable@step",
        "step.unknown_dependency",
        "type.not_found_in_sort",
        "type.undefined_reference",
    ]


@pytest.mark.parametrize(
    ("steps", "code", "column"),
    [
        (["a: {make: $x}"], "ref.unresolvable@step", 13),
        (["a: {make: 1}", "b: {show: [$a.mad]}"], "ref.unknown_step_output@step", 14),
        (["a: {pair: []}", "b: {show: {text: $a}}"], "ref.step_output_name_needed@step", 20),
        (["a: {make: 1, dependencies: [b]}"], "step.unknown_dependency", 30),
        (["a: {make: [1, 2]}"], "call.too_many_positional", 17),
        (["a: {make: {size: 1, sise: 2}}"], "call.unknown_keyword", 23),
        (["a: {task: make, args: [1], kwargs: {size: 2}}"], "call.assigned_twice", 39),
        (["a: {make: x}"], "arg.positional_mismatch", 13),
        (["a: {make: {size: x}}"], "arg.keyword_mismatch", 20),
        (["on: {make: 1}"], "name.not_string", 3),
        (["a.b: {make: 1}"], "name.step_has_dot", 3),
        (["a: {make: 1, pair: []}"], "step.no_task_key", 6),
        (["a: {show: $a.x, dependencies: a}"], "ref.unknown_step_output@step", 13),
        (["a: 3"], "schema", 6),
        (["a: {make: {x: 1}, pair: []}"], "schema", 6),
        (["a: {make: 2020-01-01}"], "schema", 13),
        (["a: {task: make, kwargs: []}"], "schema", 27),
        (["a: {task: make, arg: []}"], "schema", 24),
    ],
)
def test_issues_are_placed_at_what_is_wrong(steps, code, column):
    issue = only(graph(*steps))
    assert (issue.code, issue.column) == (code, column)
    assert issue.line == 6 + len(steps)


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("$p.", "ref.parameter_with_output"),
        ("$none", "ref.artifact_without_output"),
        ("$none.x", "ref.unknown_artifact_output"),
        ("$a.", "ref.unknown_step_output"),
    ],
)
def test_references_on_which_dioptra_raises_are_issues(reference, code):
    text = graph("a: {make: 3}", f"b: {{show: {reference}}}") + (
        "parameters: {p: x}\nartifact_inputs: {none: []}\n"
        f"artifact_outputs: {{o: {{contents: {reference}, task: {{name: T}}}}}}\n"
    )
    codes = {issue.code for issue in issues_of(text, {"T": None})}
    assert codes == {f"{code}@step", f"{code}@artifact_output"}


def test_references_below_a_key_called_task_are_checked():
    issue = only(graph("a: {show: {text: {task: {deep: $nope}}}}"))
    assert issue.code == "ref.unresolvable@step"
    assert issue.path == "$.graph.a.show.text.task.deep"


def test_a_cycle_below_a_key_called_task_is_found():
    text = "tasks: {t: {plugin: m.f, inputs: [{x: any}], outputs: {o: any}}}\n"
    text += "graph:\n  a: {t: {x: {task: $b}}}\n  b: {t: $a}\n"
    assert only(text).code == "step.cycle"


def test_an_ambiguous_reference_is_a_warning_and_means_the_step():
    text = graph("a: {make: 3}", "b: {show: $a}") + "artifact_inputs: {a: {o: integer}}\n"
    issue = only(text)
    assert (issue.severity, issue.code, issue.line) == ("warning", "name.ambiguous", 8)
    assert issues_of(text.replace("b: {show: $a}", "b: {show: $a.made}")) == []


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        ("{string: null}", "type.builtin_redefined"),
        ("{T: {union: [string]}, U: {is_a: T}}", "type.super_not_simple"),
        ("{K: {is_a: string}, T: {mapping: [K, string]}}", "type.invalid_key"),
        ("{T: {list: {union: []}}}", "type.anonymous_simple"),
    ],
)
def test_types_on_which_dioptra_raises_are_issues(definition, code):
    issue = only(graph("a: {make: 3}") + f"types: {definition}\n")
    assert issue.code == code
    assert issue.path.startswith("$.types.")


def test_a_blank_type_name_is_unknown():
    codes = [issue.code for issue in issues_of(graph("a: {make: 3}") + "types: {T: {list: ''}}\n")]
    assert codes == ["type.undefined_reference", "type.not_found_in_sort"]


ARTIFACT_TASKS = {
    "Text": {"suffix": {"type": "string"}, "width": {"type": "integer"}},
    "Plain": None,
    "Broken": {"x": {"type": 3}},
    "Remote": {"x": {"$ref": "http://127.0.0.1:9/schema"}},
}


@pytest.mark.parametrize(
    ("task", "codes"),
    [
        ("{name: Text, args: {suffix: .txt, other: 1}}", []),
        ("{name: Text, args: {suffix: 1, width: x}}", ["schema", "schema"]),
        ("{name: Plain, args: {x: 1}}", []),
        ("{name: Txet}", ["schema"]),
        ("{name: [Text]}", ["schema"]),
        ("{args: {}}", ["schema"]),
        ("{name: Text, args: []}", ["schema"]),
        ("{name: Broken, args: {x: 1}}", ["artifact_task.invalid_schema"]),
        ("{name: Remote, args: {x: 1}}", ["artifact_task.invalid_schema"]),
    ],
)
def test_artifact_outputs(task, codes):
    text = graph("a: {make: 3}") + f"artifact_outputs: {{o: {{contents: $a, task: {task}}}}}\n"
    assert [issue.code for issue in issues_of(text, ARTIFACT_TASKS)] == codes


def test_without_artifact_tasks_none_is_known():
    text = graph("a: {make: 3}") + "artifact_outputs: {o: {contents: $a, task: {name: T}}}\n"
    assert "no attached plugin" in only(text).message


def test_the_older_section_name_is_explained():
    issue = only(graph("a: {make: 3}") + "artifacts: {}\n")
    assert (issue.code, issue.line, issue.column) == ("schema", 8, 1)
    assert "artifact_outputs" in issue.message


def test_missing_sections_are_named_one_by_one():
    messages = [issue.message for issue in issues_of("types: {}\n")]
    assert messages == [
        "The description has no `tasks`, which it must have.",
        "The description has no `graph`, which it must have.",
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("types: {T: integer}", "{is_a: integer}"),
        ("types: {T: {list: null}}", '"null", in quotes'),
        ("types: {T: {list: {}}}", "name it under `types`"),
        ("types: {T: {mapping: [string]}}", "exactly two types"),
        ("types: {T: {tuple: string}}", "takes a list of types"),
        ("types: {T: {mapping: 3}}", "list of two types or a mapping"),
        ("types: {T: {list: string, union: []}}", "exactly one"),
        ("types: {T: {lst: string}}", '"lst" means nothing here'),
        ("types: {T: {is_a: [string]}}", "`is_a` names one type"),
        ("types: []", "`types` must be a mapping"),
        ("types: null", "Leave the section out"),
        ("parameters: {p: {}}", "`type`, a `default` or both"),
        ("parameters: {p: {a: 1}}", "{default: {...}}"),
        ("parameters: {p: {type: null}}", '"null", in quotes'),
        ("parameters: {p: 2020-01-01}", "{default: ...}"),
        ("tasks: {t: {plugin: m.f, inputs: [{name: string}]}}", "it must have a `type` too"),
        ("tasks: {t: {plugin: m.f, inputs: [{a: string, b: string}]}}", "one {name: type}"),
        ("tasks: {t: {plugin: m.f, inputs: [{a: 1}]}}", "must be the name of a type"),
        ("tasks: {t: {plugin: m.f, inputs: [x]}}", "an input is {name: type}"),
        ("tasks: {t: {plugin: m.f, inputs: [{name: a, type: b, x: 1}]}}", "none of `name`"),
        ("tasks: {t: {plugin: m.f, inputs: [{name: a, type: 1}]}}", "`type` must be text"),
        ("tasks: {t: {plugin: m.f, inputs: [{name: a, type: b, required: x}]}}", "`required`"),
        ("tasks: {t: {plugin: m.f, inputs: {}}}", "must be a list"),
        ("tasks: {t: {plugin: m.f, outputs: {a: string, b: string}}}", "a list of {name: type}"),
        ("tasks: {t: {plugin: m.f, outputs: [{}]}}", "not an empty mapping"),
        ("tasks: {t: {plugin: m.f, outputs: string}}", "an output is {name: type}"),
        ("tasks: {t: {plugin: m.f, outputs: {a: null}}}", '"null", in quotes'),
        ("tasks: {t: {plugin: mf}}", "dotted name"),
        ("tasks: {t: {plugin: m.f, other: 1}}", "unknown key"),
        ("tasks: {t: m.f}", "must be a mapping"),
        ("tasks: {}", "at least one entry"),
        ("graph: {s: {}}", "which task to call"),
        ("graph: {s: {task: ''}}", "name of a task"),
        ("graph: {s: {task: t, args: {a: 1}}}", "`args` must be a list or one value"),
        ("graph: {s: {t: [], dependencies: 3}}", "`dependencies` is the name"),
        ("artifact_inputs: {a: [x]}", "an output is {name: type}"),
        ("artifact_outputs: {a: {contents: 3, task: {name: T}}}", "must be text"),
    ],
)
def test_wrong_shapes_are_explained(entry, words):
    section = entry.partition(":")[0]
    defaults = {"tasks": "tasks: {t: {plugin: m.f}}", "graph": "graph: {s: {t: []}}"}
    text = "\n".join([entry, *(text for key, text in defaults.items() if key != section)])
    issue = only(text + "\n", {"T": None})
    assert issue.code == "schema"
    assert words in issue.message
    assert issue.line == 1


@pytest.mark.parametrize(
    ("execution", "codes"),
    [
        ("{parallel: true, steps: {a: {num_gpus: 0.5, memory: 4GiB, timeout: 2h}}}", []),
        ("{isolation: process, steps: {a: {labels: {zone: x}, resources: {tpu: 2}}}}", []),
        ("{steps: {a: {pure: true, retries: 3, memory: 1000, timeout: 1.5, num_cpus: 0}}}", []),
        ("3", ["execution.not_a_mapping"]),
        ("{steps: []}", ["execution.not_a_mapping"]),
        ("{steps: {a: 1}}", ["execution.not_a_mapping"]),
        ("{step: {}}", ["execution.unknown_key"]),
        ("{steps: {b: {}}}", ["execution.unknown_step"]),
        ("{steps: {a: {gpus: 1}}}", ["execution.unknown_key"]),
        ("{isolation: thread, parallel: 1}", ["execution.bad_value", "execution.bad_value"]),
        ("{steps: {a: {num_cpus: -1}}}", ["execution.bad_value"]),
        ("{steps: {a: {num_cpus: true}}}", ["execution.bad_value"]),
        ("{steps: {a: {num_gpus: .nan}}}", ["execution.bad_value"]),
        ("{steps: {a: {memory: lots}}}", ["execution.bad_value"]),
        ("{steps: {a: {retries: 1.5}}}", ["execution.bad_value"]),
        ("{steps: {a: {timeout: 0}}}", ["execution.bad_value"]),
        ("{steps: {a: {retry_on: [OSError, p.q.MyError], retry_delay: 500ms}}}", []),
        ("{steps: {a: {retry_on: ValueError, retry_delay: 0}}}", []),
        ("{steps: {a: {retry_on: [two words]}}}", ["execution.bad_value"]),
        ("{steps: {a: {retry_on: {a: 1}, retry_delay: -1}}}", ["execution.bad_value"] * 2),
        ("{steps: {a: {labels: {a: 1}}}}", ["execution.bad_value"]),
        ("{steps: {a: {resources: {a: x}}}}", ["execution.bad_value"]),
    ],
)
def test_the_execution_section(execution, codes):
    issues = issues_of(graph("a: {make: 3}") + f"execution: {execution}\n")
    assert [issue.code for issue in issues] == codes
    assert all(issue.line == 8 for issue in issues)


def test_a_description_that_contains_itself_is_an_issue():
    value = []
    value.append(value)
    (issue,) = validate({"parameters": {"p": value}, "tasks": {}, "graph": {}})
    assert issue.code == "description.too_large"


def test_types_too_deep_to_compare_are_an_issue():
    types = {"A0": {"list": "string"}, "B0": {"list": "integer"}}
    for number in range(1, 3_000):
        types[f"A{number}"] = {"list": {"list": f"A{number - 1}"}}
        types[f"B{number}"] = {"list": {"list": f"B{number - 1}"}}
    types["B"] = {"union": [{"list": "B2999"}]}
    description = {
        "types": types,
        "tasks": {
            "make": {"plugin": "m.f", "outputs": {"o": "A2999"}},
            "take": {"plugin": "m.f", "inputs": [{"x": "B"}]},
        },
        "graph": {"s": {"make": []}, "t": {"take": "$s"}},
    }
    assert [issue.code for issue in validate(description)] == ["description.too_large"]


def test_types_that_share_parts_are_compared_once():
    types = {"A0": {"tuple": ["string"]}, "B0": {"tuple": ["integer"]}}
    for number in range(1, 60):
        for letter in "AB":
            part = f"{letter}{number - 1}"
            types[f"{letter}{number}"] = {"union": [{"tuple": [part, part]}, {"list": part}]}
    description = {
        "types": types,
        "tasks": {
            "make": {"plugin": "m.f", "outputs": {"o": "A59"}},
            "take": {"plugin": "m.f", "inputs": [{"x": "B59"}]},
        },
        "graph": {"s": {"make": []}, "t": {"take": "$s"}},
    }
    assert [issue.code for issue in validate(description)] == ["arg.positional_mismatch"]


def test_a_task_called_null_is_reported():
    """Found by fuzzing: the graph cannot be ordered by what it calls, and must not be asked to."""
    found = validate({"tasks": {None: {"plugin": "m.f"}}, "graph": {"a": {None: []}}})
    assert [issue.code for issue in found] == ["name.not_string"]


def test_a_task_in_the_place_of_a_step_is_pointed_out():
    """What the graphs of Dioptra's documentation get wrong: `$train` for a step that trains."""
    tasks = {"train": {"plugin": "m.f", "inputs": [{"x": "any"}], "outputs": {"o": "any"}}}
    graph = {"first_model": {"train": [1]}, "other": {"train": ["$train"]}}
    (issue,) = validate({"tasks": tasks, "graph": graph})
    assert issue.code == "ref.unresolvable@step"
    assert "That is a task; refer to the step" in issue.message
