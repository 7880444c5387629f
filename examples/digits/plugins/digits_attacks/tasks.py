"""Tasks that attack a network and say what is left of its accuracy."""

import numpy as np
import pandas as pd
import structlog
import torch
from digits_data.split import DigitSplit
from digits_model.network import DigitNet
from digits_model.tasks import measure_accuracy
from digits_model.threads import one_thread
from dioptra import pyplugs
from matplotlib.figure import Figure

from dioptra_ray import current_job

from .gradient import fast_gradient_sign, projected_gradient

LOGGER = structlog.get_logger()


@pyplugs.register
def attack_images(
    model: DigitNet, test: DigitSplit, attack: str, eps: float, steps: int = 20
) -> DigitSplit:
    """Perturb every image by at most `eps` in each pixel, so that the model errs."""
    images, labels = torch.from_numpy(test.images), torch.from_numpy(test.labels)
    model.eval()
    with one_thread():
        if attack == "fgsm":
            adversarial = fast_gradient_sign(model, images, labels, eps=eps)
        elif attack == "pgd":
            adversarial = projected_gradient(model, images, labels, eps=eps, steps=steps)
        else:
            raise ValueError(f"There is no attack {attack!r}; use 'fgsm' or 'pgd'.")
    LOGGER.info("attacked the images", attack=attack, eps=eps, count=len(test))
    return DigitSplit(adversarial.detach().numpy(), test.labels)


@pyplugs.register
def fgsm(model: DigitNet, test: DigitSplit, eps: float) -> DigitSplit:
    """The attack with one step, as a task of its own."""
    return attack_images(model, test, "fgsm", eps)


@pyplugs.register
def pgd(model: DigitNet, test: DigitSplit, eps: float, steps: int = 20) -> DigitSplit:
    """The attack with many steps, as a task of its own."""
    return attack_images(model, test, "pgd", eps, steps)


@pyplugs.register
def evaluate_attack(model: DigitNet, test: DigitSplit, adversarial: DigitSplit) -> pd.DataFrame:
    """Accuracy before and after the attack, for each digit; the means become metrics."""
    with one_thread():
        clean = measure_accuracy(model, test)
        robust = measure_accuracy(model, adversarial)
        correct = _predict(model, test) == test.labels
        survived = _predict(model, adversarial) == test.labels
    change = np.abs(adversarial.images - test.images).mean(axis=(1, 2, 3))
    job = current_job()
    job.log_metric("clean_accuracy", clean)
    job.log_metric("robust_accuracy", robust)
    job.log_metric("mean_perturbation", float(change.mean()))
    LOGGER.info("evaluated the attack", clean=round(clean, 4), robust=round(robust, 4))
    rows = pd.DataFrame(
        {
            "digit": test.labels,
            "clean_accuracy": correct,
            "robust_accuracy": survived,
            "mean_perturbation": change,
        }
    )
    return rows.groupby("digit", as_index=False).mean()


def _predict(model: DigitNet, split: DigitSplit) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(split.images)).argmax(1).numpy()


@pyplugs.register
def draw_examples(
    model: DigitNet, test: DigitSplit, adversarial: DigitSplit, count: int = 8
) -> Figure:
    """A figure of the first images before and after the attack, with what the model saw."""
    figure = Figure(figsize=(count, 2.4), layout="constrained")
    axes = figure.subplots(2, count)
    for row, split, title in zip(axes, (test, adversarial), ("clean", "attacked"), strict=True):
        predicted = _predict(model, DigitSplit(split.images[:count], split.labels[:count]))
        row[0].set_ylabel(title)
        for axis, image, label, guess in zip(
            row, split.images, split.labels, predicted, strict=False
        ):
            axis.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
            axis.set_title(str(guess), color="black" if guess == label else "tab:red")
            axis.set(xticks=[], yticks=[])
    return figure
