"""The digits example: it composes, it is deterministic, and its attacks do what they say."""

import importlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from dioptra_ray.local import Artifact, RunResult, run
from dioptra_ray.project import ComposedEntrypoint, Project

Composed = dict[str, ComposedEntrypoint]
READER = "digits_artifacts.tasks.CheckpointArtifactTask"


def run_entrypoint(composed: Composed, name: str, digits: Path, **options: Any) -> RunResult:
    return run(
        composed[name].description,
        plugins_dir=digits / "plugins",
        artifact_tasks=composed[name].artifact_tasks,
        **options,
    )


@pytest.fixture(scope="module")
def training(
    composed: Composed, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    folder = tmp_path_factory.mktemp("train")
    return run_entrypoint(composed, "train", digits, parameters={"epochs": 4}, working_dir=folder)


def attack(composed: Composed, digits: Path, training: RunResult, **parameters: Any) -> RunResult:
    model = Artifact(path=training.artifacts["model"], task=READER)
    return run_entrypoint(
        composed, "attack", digits, parameters=parameters, artifacts={"trained_model": model}
    )


def metric(result: RunResult, name: str) -> float:
    return next(point.value for point in result.metrics if point.name == name)


def test_nothing_is_wrong_with_the_project(project: Project, composed: Composed) -> None:
    assert project.warnings == ()
    assert {name: one.issues for name, one in composed.items()} == {
        "train": (),
        "attack": (),
        "attack_swap": (),
    }


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("name", ["fast_gradient_sign", "projected_gradient"])
@pytest.mark.parametrize("eps", [0.0, 0.03, 0.4])
def test_perturbations_stay_in_the_ball_and_in_the_image(name: str, eps: float) -> None:
    method = getattr(importlib.import_module("digits_attacks.gradient"), name)
    torch.manual_seed(3)
    model = importlib.import_module("digits_model.network").DigitNet().eval()
    images = torch.rand(40, 1, 8, 8).round(decimals=1)
    labels = torch.randint(10, (40,))
    options = {"steps": 7} if name == "projected_gradient" else {}
    adversarial = method(model, images, labels, eps=eps, **options)
    change = (adversarial - images).abs().max().item()
    assert change <= eps + 1e-6
    assert change > eps / 2 or eps == 0
    assert adversarial.min() >= 0
    assert adversarial.max() <= 1


def test_training_learns_and_reports_each_epoch(training: RunResult) -> None:
    assert metric(training, "clean_accuracy") > 0.85
    epochs = [point.step for point in training.metrics if point.name == "train_loss"]
    assert epochs == [1, 2, 3, 4]
    assert {path.name for path in training.artifacts.values()} == {
        "model.pt",
        "history.csv",
        "learning_curve.png",
    }


def test_training_is_deterministic(composed: Composed, digits: Path, training: RunResult) -> None:
    again = run_entrypoint(composed, "train", digits, parameters={"epochs": 4})
    first, second = (run.steps["training"]["model"].state_dict() for run in (training, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_stronger_attacks_leave_less_accuracy(
    name: str, composed: Composed, digits: Path, training: RunResult
) -> None:
    robust = [
        metric(attack(composed, digits, training, attack=name, eps=eps), "robust_accuracy")
        for eps in (0.0, 0.1, 0.3)
    ]
    assert robust[0] == metric(training, "clean_accuracy")
    assert robust[0] > robust[1] > robust[2]
    assert robust[2] < 0.3


def test_attack_leaves_a_table_and_a_figure(
    composed: Composed, digits: Path, training: RunResult
) -> None:
    result = attack(composed, digits, training, attack="pgd", eps=0.1)
    table = pd.read_parquet(result.artifacts["robustness"])
    assert list(table["digit"]) == list(range(10))
    assert 0 < metric(result, "mean_perturbation") <= 0.1
    assert result.artifacts["examples"].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_the_attack_as_a_swap_does_the_same(
    name: str, composed: Composed, digits: Path, training: RunResult
) -> None:
    model = Artifact(path=training.artifacts["model"], task=READER)
    chosen = run_entrypoint(
        composed, "attack_swap", digits, swaps={"attack": name}, artifacts={"trained_model": model}
    )
    by_parameter = attack(composed, digits, training, attack=name)
    for measured in ("robust_accuracy", "mean_perturbation"):
        assert metric(chosen, measured) == metric(by_parameter, measured)


def test_unknown_attack_says_which_there_are(
    composed: Composed, digits: Path, training: RunResult
) -> None:
    with pytest.raises(Exception, match="use 'fgsm' or 'pgd'"):
        attack(composed, digits, training, attack="cw", eps=0.1)
