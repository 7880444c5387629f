"""What the demo makes of a sweep's results, without running one."""

import importlib.util
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from dioptra_ray.embedded.launch import Options
from dioptra_ray.errors import InvalidDescriptionError, NotFoundError
from dioptra_ray.language.issues import Issue


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


class Deployment:
    """Stands in for the embedded deployment; remembers what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def up(self, state_dir: Path, *, options: Options, progress: Callable[[str], None]) -> None:
        progress("starting")
        self.calls.append(f"up {state_dir.name} {options.store_url}")

    def down(self, state_dir: Path) -> None:
        self.calls.append(f"down {state_dir.name}")


@pytest.fixture
def deployment(demo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    stand_in = Deployment()
    monkeypatch.setattr(demo, "up", stand_in.up)
    monkeypatch.setattr(demo, "down", stand_in.down)
    monkeypatch.setattr(demo, "Client", lambda **options: nullcontext(options))
    monkeypatch.setattr(demo.signal, "signal", lambda *_: None)
    return stand_in


def invoke(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, outcome: BaseException | None, *options: str
) -> Result:
    def study(*_: object) -> None:
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(demo, "study", study)
    return CliRunner().invoke(demo.main, options)


def test_store_option_is_passed_on(
    demo: ModuleType, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = invoke(demo, monkeypatch, None, "--store-url", "s3://bucket/prefix")
    assert result.exit_code == 0
    up, down = (call.split() for call in deployment.calls)
    assert up[2] == "s3://bucket/prefix"
    # What is registered belongs to the store it lies in, so each has a state of its own.
    assert up[1].startswith("demo-")
    assert down[1] == up[1]


def test_artifacts_stay_in_the_repository_by_default(
    demo: ModuleType, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(demo, monkeypatch, None)
    assert deployment.calls[0].endswith("/build/demo/artifacts")


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (NotFoundError("gone"), 1),
        (InvalidDescriptionError("bad", [Issue(severity="error", code="x", message="m")]), 1),
        (ZeroDivisionError(), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_happens_the_deployment_is_stopped(
    demo: ModuleType,
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    outcome: BaseException,
    code: int,
) -> None:
    result = invoke(demo, monkeypatch, outcome)
    assert result.exit_code == code
    assert deployment.calls[-1] == "down demo"


def test_what_is_hinted_at_can_be_pasted(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(demo, "console", Console(highlight=False, width=40))
    uri = "file:///a/long/way/down/to/artifacts/43/1/model/cee96c4aac09/model.pt"
    model = SimpleNamespace(id=7, basename="model.pt", uri=uri)
    demo.print_places(SimpleNamespace(artifacts={"model": model}), demo.STATE)
    lines = capsys.readouterr().out.splitlines()
    assert "     7  /a/long/way/down/to/artifacts/43/1/model/cee96c4aac09/model.pt" in lines
    (get,) = (line.split() for line in lines if "artifact get" in line)
    assert Path(get[0]).exists()
    assert get[1:4] == ["artifact", "get", "7"]
    assert get[-2] == "--state-dir"
