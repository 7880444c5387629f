import json

from dioptra_ray.language import Issue
from dioptra_ray.language.render import issues_to_json, issues_to_text

ISSUE = Issue(
    severity="error",
    code="x.y",
    message="It is wrong.",
    path="$.a",
    line=2,
    column=3,
    file="f.yaml",
)


def test_text_shows_the_line_with_a_caret():
    assert issues_to_text([ISSUE], "a:\n  b: 1\n") == (
        "f.yaml:2:3: error: It is wrong. [x.y]\n    2 |   b: 1\n      |   ^"
    )


def test_text_without_source_or_position_is_one_line():
    assert issues_to_text([ISSUE]) == "f.yaml:2:3: error: It is wrong. [x.y]"
    nowhere = Issue(severity="warning", code="x", message="Hm.", path="$.b")
    assert issues_to_text([nowhere], "a: 1") == "$.b: warning: Hm. [x]"


def test_tabs_and_yaml_line_breaks_keep_the_caret_in_place():
    issue = Issue(severity="error", code="x", message="M.", line=2, column=2)
    shown = issues_to_text([issue], 'a: "\x0c"\x85\tb').splitlines()
    assert shown[1:] == ["    2 | \tb", "      | \t^"]


def test_long_lines_are_cut_around_the_column():
    issue = Issue(severity="error", code="x", message="M.", line=1, column=5_000)
    line, caret = issues_to_text([issue], "a" * 4_999 + "b" + "c" * 5_000).splitlines()[1:]
    assert len(line) < 120
    assert line[caret.index("^")] == "b"


def test_json_has_the_documented_keys():
    rendered = json.loads(json.dumps(issues_to_json([ISSUE])))
    assert rendered == {
        "valid": False,
        "issues": [
            {
                "severity": "error",
                "code": "x.y",
                "message": "It is wrong.",
                "path": "$.a",
                "line": 2,
                "column": 3,
            }
        ],
    }
    assert issues_to_json([]) == {"valid": True, "issues": []}
