"""docs/compatibility.md: every bug has its row, and every test that it names exists."""

import ast
import re

from tests.docs.conftest import DOCS

TEXT = (DOCS / "compatibility.md").read_text(encoding="utf-8")
TESTS = DOCS.parent / "tests"
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| B\d+ \|", line)]
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_bug_has_a_row_with_a_decision_and_a_proof() -> None:
    assert [line.split("|")[1].strip() for line in ROWS] == [f"B{n}" for n in range(1, 29)]
    for line in ROWS:
        _, _, _, decision, proof, _ = line.split("|")
        assert decision.strip().startswith("**"), line
        assert NAMED.search(proof), line


def test_the_tests_that_are_named_exist() -> None:
    named = set(NAMED.findall(TEXT))
    assert named
    missing = {(file, name) for file, name in named if name not in _functions(file)}
    assert missing == set()


def _functions(file: str) -> set[str]:
    path = TESTS / file
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
