from textwrap import dedent

import pytest

from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.plugins.signatures import ModuleSignatures, analyze


def read(source: str) -> ModuleSignatures:
    return analyze(dedent(source), file="plugins/mine/tasks.py")


def test_relative_import_without_a_module_is_no_problem() -> None:
    found = read("""
        from . import data
        from .. import more
        from dioptra import pyplugs

        @pyplugs.register
        def f(): ...
    """)
    assert [function.name for function in found.functions] == ["f"]


@pytest.mark.parametrize(
    ("imports", "decorator"),
    [
        ("from dioptra_ray import pyplugs", "pyplugs.register"),
        ("from dioptra_ray.pyplugs import register as task", "task(pure=True)"),
        ("import dioptra_ray.pyplugs as p", "p.register()"),
    ],
)
def test_our_own_name_counts_like_dioptras(imports: str, decorator: str) -> None:
    found = read(f"{imports}\n\n@{decorator}\ndef f(a: int): ...\n")
    assert [(function.name, function.line) for function in found.functions] == [("f", 4)]


def test_kinds_and_hints_of_inputs_are_kept() -> None:
    (function,) = read("""
        from dioptra import pyplugs

        @pyplugs.register
        def f(a, /, b: "list[int]" = 1, *args, c: Annotated[int, "x"], d=2, **kwargs): ...
    """).functions
    assert [(i.name, i.kind, i.required, i.annotation) for i in function.inputs] == [
        ("a", "positional_only", True, None),
        ("b", "positional_or_keyword", False, "'list[int]'"),
        ("c", "keyword_only", True, "Annotated[int, 'x']"),
        ("d", "keyword_only", False, None),
    ]
    assert function.has_var_positional
    assert function.has_var_keyword


def test_literal_declarations_are_read() -> None:
    (function,) = read("""
        from dioptra import pyplugs

        @pyplugs.register(sort_value=3, num_gpus=1, timeout="2h", labels={"zone": "a"})
        def f(): ...
    """).functions
    assert function.declaration == Declaration(
        num_gpus=1.0, timeout=7200.0, labels=(("zone", "a"),)
    )


def test_computed_declaration_is_an_issue_at_its_place() -> None:
    found = read("""\
        from dioptra import pyplugs
        @pyplugs.register(num_gpus=COUNT)
        def f(): ...
    """)
    (issue,) = found.issues
    assert (issue.code, issue.file) == ("register.not_literal", "plugins/mine/tasks.py")
    assert (issue.line, issue.column) == (2, 28)


def test_wrong_declaration_is_an_issue() -> None:
    found = read("""\
        from dioptra import pyplugs
        @pyplugs.register(num_gpus=-1)
        def f(): ...
    """)
    (issue,) = found.issues
    assert (issue.code, issue.line) == ("register.declaration", 2)
    assert "num_gpus" in issue.message


def test_artifact_classes_are_found_through_imports_and_each_other() -> None:
    found = read("""\
        from dioptra.sdk.api import artifact
        from dioptra_ray import ArtifactTaskInterface as Interface

        class First(artifact.ArtifactTaskInterface):
            @staticmethod
            def deserialize(working_dir, path) -> "pd.DataFrame": ...

            @staticmethod
            def validation():
                return {"format": {"type": "string"}}

        class Second(First): ...

        class Third(Interface):
            @staticmethod
            def validation():
                return {"n": {"type": KIND}}

        class Other(Unknown): ...
    """)
    assert [(one.name, one.line) for one in found.artifact_classes] == [
        ("First", 4),
        ("Second", 12),
        ("Third", 14),
    ]
    first, _second, third = found.artifact_classes
    assert [(o.type, o.annotation) for o in first.outputs] == [("pd_dataframe", "'pd.DataFrame'")]
    assert first.argument_schema == {"format": {"type": "string"}}
    assert third.argument_schema is None
    assert found.definitions == {"Other": 19}


def test_methods_are_inherited_within_the_file() -> None:
    found = read("""
        from dioptra.sdk.api.artifact import ArtifactTaskInterface

        class First(ArtifactTaskInterface):
            @staticmethod
            def deserialize(working_dir, path) -> str: ...
            @staticmethod
            def validation():
                return {"a": {"type": "string"}}

        class Second(First): ...
    """)
    first, second = found.artifact_classes
    assert second.outputs == first.outputs
    assert second.argument_schema == first.argument_schema


def test_unregistered_definitions_are_known_by_line() -> None:
    found = read("""\
        if True:
            def inner(): ...
        async def later(): ...
        alias = print
    """)
    assert found.definitions == {"inner": 2, "later": 3, "alias": 4}


@pytest.mark.parametrize(
    ("source", "line"),
    [("def f(:\n", 1), ("x = 1\n  y = 2\n", 2), ("a = '\0'\n", None)],
    ids=["syntax", "indentation", "null byte"],
)
def test_unreadable_source_is_one_issue(source: str, line: int | None) -> None:
    (issue,) = analyze(source, file="bad.py").issues
    assert (issue.code, issue.file) == ("python.syntax", "bad.py")
    assert issue.line == line or (line is None and issue.line is not None)


def test_deep_nesting_is_an_issue_not_a_crash() -> None:
    deep = "x = " + "-" * 100_000 + "1\n"
    found = analyze(deep, file="deep.py")
    assert [issue.code for issue in found.issues] == ["python.syntax"]
