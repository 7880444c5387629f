"""What the demo makes of a sweep's results, without running one."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest


@pytest.fixture
def demo(digits: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits_demo", digits / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(demo: ModuleType) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"attack": attack, "eps": eps, "clean_accuracy": 0.98, "robust_accuracy": 0.98 - eps}
            for attack in demo.ATTACKS
            for eps in demo.STRENGTHS
        ]
    )


def test_study_is_about_twenty_trials(demo: ModuleType) -> None:
    assert len(demo.ATTACKS) * len(demo.STRENGTHS) == 20


def test_figure_is_written(demo: ModuleType, results: pd.DataFrame, tmp_path: Path) -> None:
    demo.plot(results, tmp_path / "robustness.png")
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")


def test_table_has_a_row_for_each_strength(demo: ModuleType, results: pd.DataFrame) -> None:
    with demo.console.capture() as captured:
        demo.print_table(results)
    text = captured.get()
    rows = [line.split("│")[1:-1] for line in text.splitlines() if line.count("│") == 4]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert cells[0] == ["0", "98.0%", "98.0%"]
    assert [row[0] for row in cells[1:]] == [f"{eps:g}" for eps in demo.STRENGTHS]
    assert cells[-1][1:] == ["73.0%", "73.0%"]
