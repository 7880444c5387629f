from textwrap import dedent

import pytest

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language.issues import Issue
from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.project import Project, TaskInput, TaskOutput, read_project

SOURCE = """\
from dioptra import pyplugs
from dioptra.sdk.api.artifact import ArtifactTaskInterface


@pyplugs.register(num_cpus=2, retries=1)
def train(data: "np.ndarray", epochs: int = 3) -> list[float]: ...


@pyplugs.register
def untyped(x, y=1): ...


def helper(): ...


class Store(ArtifactTaskInterface):
    @staticmethod
    def deserialize(working_dir, path) -> str: ...
"""

PLUGIN = '[[plugins]]\npath = "plugins/mine"\n'


def read(config: str, **files: str) -> Project:
    sources = {"plugins/mine/tasks.py": SOURCE, "graph.yaml": "graph: {}\n", **files}
    encoded = {path: text.encode() for path, text in sources.items()}
    return read_project({"dioptra.toml": dedent(config).encode(), **encoded})


def refused(config: str, **files: str) -> list[Issue]:
    with pytest.raises(InvalidDescriptionError) as caught:
        read(config, **files)
    return [issue for issue in caught.value.issues if issue.severity == "error"]


def only(config: str, **files: str) -> Issue:
    (issue,) = refused(config, **files)
    return issue


def test_tasks_come_from_the_source_when_the_registration_is_silent() -> None:
    (plugin,) = read(PLUGIN).plugins
    train, untyped = plugin.function_tasks
    assert (train.id, train.file, train.line) == ("mine.tasks.train", "tasks.py", 6)
    assert train.inputs == (
        TaskInput(name="data", type="np_ndarray"),
        TaskInput(name="epochs", type="integer", required=False),
    )
    assert train.outputs == (TaskOutput(name="output", type="list_number"),)
    assert train.types == {"np_ndarray": None, "list_number": {"list": "number"}}
    assert train.declaration == Declaration(num_cpus=2.0, retries=1)
    assert [given.type for given in untyped.inputs] == ["any", "any"]
    (store,) = plugin.artifact_tasks
    assert (store.id, store.outputs) == (
        "mine.tasks.Store",
        (TaskOutput(name="output", type="string"),),
    )


def test_declared_types_are_used_for_hints_of_the_same_name() -> None:
    (plugin,) = read(
        PLUGIN
        + """
        [[plugin_param_types]]
        name = "np.ndarray"
        """
    ).plugins
    train = plugin.function_tasks[0]
    assert train.inputs[0].type == "np.ndarray"
    assert set(train.types) == {"list_number"}


@pytest.mark.parametrize(
    "table", ["[[plugins.tasks.functions]]", "[[plugins.tasks]]"], ids=["real", "documented"]
)
def test_registration_goes_over_the_source(table: str) -> None:
    (plugin,) = read(f"""
        [[plugins]]
        path = "plugins/mine"
        {table}
        filename = "tasks.py"
        name = "train"
        input_params = [ {{ name = "data", type = "any" }}, {{ name = "epochs", type = "number" }} ]
        output_params = [ {{ name = "losses", type = "any" }} ]
        num_gpus = 1
        retries = 5
    """).plugins
    train = plugin.function_tasks[0]
    # `required` is false where it is left out, unless Python insists.
    assert train.inputs == (
        TaskInput(name="data", type="any", required=True),
        TaskInput(name="epochs", type="number", required=False),
    )
    assert train.outputs == (TaskOutput(name="losses", type="any"),)
    assert train.types == {}
    assert train.declaration == Declaration(num_cpus=2.0, num_gpus=1.0, retries=5)
    assert train.place.line == 4
    assert [task.name for task in plugin.function_tasks] == ["train", "untyped"]


REGISTRATION = """\
[[plugins]]
path = "plugins/mine"
[[plugins.tasks.functions]]
filename = "{filename}"
name = "{name}"
input_params = [ {inputs} ]
output_params = []
"""


def registering(
    *inputs: str, filename: str = "tasks.py", name: str = "train", required: str = ""
) -> str:
    entries = ", ".join(f'{{ name = "{one}", type = "any"{required} }}' for one in inputs)
    return REGISTRATION.format(filename=filename, name=name, inputs=entries)


def test_unknown_input_shows_both_sides() -> None:
    issue = only(registering("data", "epoch"))
    assert (issue.code, issue.line, issue.file) == ("registration.unknown_input", 3, "dioptra.toml")
    assert "train(data, epoch)" in issue.message
    assert "plugins/mine/tasks.py:6 says train(data, epochs=...)" in issue.message
    assert "Did you mean 'epochs'?" in issue.message


def test_order_and_missing_inputs_are_contradictions() -> None:
    assert only(registering("epochs", "data")).code == "registration.input_order"
    assert only(registering("epochs")).code == "registration.missing_input"


def test_required_input_declared_optional_is_a_warning() -> None:
    (warning,) = read(registering("data", required=", required = false")).warnings
    assert warning.code == "registration.required_input"


def test_skipped_input_would_shift_positional_arguments() -> None:
    source = "from dioptra import pyplugs\n@pyplugs.register\ndef train(a, b=1, c=2): ...\n"
    (warning,) = read(registering("a", "c"), **{"plugins/mine/tasks.py": source}).warnings
    assert warning.code == "registration.skipped_input"
    assert "'b' is left out" in warning.message
    assert read(registering("a", "b"), **{"plugins/mine/tasks.py": source}).warnings == ()


def test_keyword_only_inputs_may_come_in_any_order() -> None:
    source = "from dioptra import pyplugs\n@pyplugs.register\ndef train(a, *, b, c): ...\n"
    project = read(registering("c", "a", "b"), **{"plugins/mine/tasks.py": source})
    assert project.warnings == ()


def test_variadic_functions_take_any_input() -> None:
    source = "from dioptra import pyplugs\n@pyplugs.register\ndef train(**options): ...\n"
    project = read(registering("a", "b"), **{"plugins/mine/tasks.py": source})
    assert project.warnings == ()


def test_missing_file_and_function_suggest_what_is_there() -> None:
    issue = only(registering(filename="task.py"))
    assert (issue.code, "'tasks.py'" in issue.message) == ("registration.missing_file", True)
    issue = only(registering(name="trian"))
    assert (issue.code, "'train'" in issue.message) == ("registration.missing_function", True)


def test_function_that_is_not_registered_is_a_warning() -> None:
    (warning,) = read(registering(name="helper")).warnings
    assert warning.code == "registration.not_registered"
    assert "plugins/mine/tasks.py:13" in warning.message


def test_syntax_error_is_reported_once_at_its_place() -> None:
    issue = only(registering("data"), **{"plugins/mine/tasks.py": "def train(:\n"})
    assert (issue.code, issue.file, issue.line) == ("python.syntax", "plugins/mine/tasks.py", 1)


def test_everything_wrong_is_said_at_once() -> None:
    config = """\
[[plugins]]
path = "plugins/none"
[[plugins]]
path = "plugins/mine"
[[plugins.tasks.artifacts]]
filename = "tasks.py"
name = "Stoer"
[[plugin_param_types]]
name = "String"
[[plugin_param_types]]
name = "t"
[[plugin_param_types]]
name = "t"
[[entrypoints]]
path = "none.yaml"
name = "e"
params = [
  { name = "a", type = "number" },
  { name = "b", type = "integer", default_value = "1.5" },
  { name = "b", type = "list" },
]
artifact_params = [ { name = "x", output_params = [ { name = "o", type = "nope" } ] } ]
plugins = [ "other" ]
"""
    found = [(issue.code, issue.line) for issue in refused(config)]
    assert sorted(found, key=lambda one: one[1] or 0) == [
        ("registration.missing_plugin", 2),
        ("registration.missing_class", 5),
        ("registration.builtin_type", 9),
        ("registration.duplicate", 12),
        ("registration.missing_file", 15),
        ("registration.parameter_type", 18),
        ("param.default_mismatch", 19),
        ("registration.duplicate", 20),
        ("registration.undefined_type", 22),
        ("registration.unknown_plugin", 23),
    ]


@pytest.mark.parametrize(
    ("config", "line", "part"),
    [
        ("[[plugins]]\n", 1, "`path` is missing"),
        ('[[plugins]]\npath = "x"\nnmae = 1\n', 3, "`nmae` is not a key"),
        ("[[plugins]]\npath = 3\n", 2, "should be a valid string, not an integer"),
        ('[[plugins]]\npath = "x"\n[[plugins.tasks]]\nname = "f"\n', 3, "`filename` is missing"),
        ("x = [1,\n", 2, "not valid TOML"),
        ("a = 1\na = 2\n", 2, "not valid TOML"),
    ],
)
def test_misshapen_files(config: str, line: int, part: str) -> None:
    issue = only(config)
    assert issue.line == line
    assert part in issue.message


def test_missing_config_is_said() -> None:
    with pytest.raises(InvalidDescriptionError) as caught:
        read_project({})
    assert [issue.code for issue in caught.value.issues] == ["project.no_config"]


@pytest.mark.parametrize("path", ["../up", "/etc", "plugins/../../up"])
def test_paths_stay_inside_the_project(path: str) -> None:
    codes = [issue.code for issue in refused(f'[[plugins]]\npath = "{path}"\n')]
    assert "registration.path" in codes


def test_defaults_are_texts_or_values() -> None:
    (entrypoint,) = read("""
        [[entrypoints]]
        path = "graph.yaml"
        params = [
          { name = "a", type = "float", default_value = "1" },
          { name = "b", type = "float", default_value = 1 },
          { name = "c", type = "boolean", default_value = "TRUE" },
          { name = "d", type = "list", default_value = "[1]" },
          { name = "e", type = "mapping", default_value = { k = 1 } },
          { name = "f", type = "string" },
        ]
    """).entrypoints
    assert entrypoint.name == "graph"
    values = [(one.default, one.has_default) for one in entrypoint.parameters]
    assert values == [
        (1.0, True),
        (1.0, True),
        (True, True),
        ([1], True),
        ({"k": 1}, True),
        (None, False),
    ]
    assert type(values[1][0]) is float


def test_config_in_a_folder_reads_beside_itself() -> None:
    project = read_project(
        {
            "sub/dioptra.toml": b'[[plugins]]\npath = "mine"\n',
            "sub/mine/tasks.py": SOURCE.encode(),
            "sub/mine/.hidden.py": b"def f(:",
            "sub/mine/notes.txt": b"",
        },
        "sub/dioptra.toml",
    )
    (plugin,) = project.plugins
    assert list(plugin.files) == ["tasks.py"]
    assert plugin.function_tasks[0].place.file == "sub/mine/tasks.py"


def test_package_files_are_named_by_their_folder() -> None:
    files = {
        "plugins/mine/__init__.py": SOURCE,
        "plugins/mine/deep/__init__.py": SOURCE,
        "plugins/mine/deep/model.py": SOURCE,
    }
    (plugin,) = read(PLUGIN, **files).plugins
    ids = {task.id for task in plugin.function_tasks if task.name == "train"}
    assert ids == {"mine.train", "mine.deep.train", "mine.deep.model.train", "mine.tasks.train"}


def test_a_number_of_thousands_of_digits_is_an_issue() -> None:
    """Found by fuzzing: tomllib lets Python's own limit out."""
    with pytest.raises(InvalidDescriptionError) as caught:
        read_project({"dioptra.toml": b"a = " + b"9" * 5000})
    assert [issue.code for issue in caught.value.issues] == ["toml.syntax"]


def test_types_are_checked_even_if_nothing_uses_them() -> None:
    config = """
[[plugin_param_types]]
name = "good"
structure = { list = "integer" }
[[plugin_param_types]]
name = "odd"
structure = { foo = 1 }
"""
    with pytest.raises(InvalidDescriptionError) as caught:
        read_project({"dioptra.toml": config.encode()})
    (issue,) = caught.value.issues
    assert (issue.code, issue.file, issue.line) == ("schema", "dioptra.toml", 5)
    lost = config.replace("{ foo = 1 }", '{ list = "integr" }')
    with pytest.raises(InvalidDescriptionError) as caught:
        read_project({"dioptra.toml": lost.encode()})
    codes = [issue.code for issue in caught.value.issues]
    assert codes == ["type.undefined_reference", "type.not_found_in_sort"]


def test_parameters_of_one_name_are_refused() -> None:
    config = b"""
[[entrypoints]]
path = "e.yaml"
params = [ { name = "x", type = "string" }, { name = "x", type = "float" } ]
"""
    with pytest.raises(InvalidDescriptionError) as caught:
        read_project({"dioptra.toml": config, "e.yaml": b"graph: {}\n"})
    assert [issue.code for issue in caught.value.issues] == ["registration.duplicate"]
