"""Tasks that train the network and say how good it is."""

from typing import Any

import pandas as pd
import structlog
import torch
from digits_data.split import DigitSplit
from dioptra import pyplugs
from matplotlib.figure import Figure
from torch.nn import functional

from .network import DigitNet
from .reporting import report_metric
from .threads import one_thread

LOGGER = structlog.get_logger()


@pyplugs.register
def train_model(
    train: DigitSplit,
    test: DigitSplit,
    epochs: int = 15,
    learning_rate: float = 0.002,
    batch_size: int = 64,
) -> tuple[DigitNet, pd.DataFrame]:
    """Train a network; also return its history, one row an epoch."""
    images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)
    with one_thread():
        network = DigitNet()
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        history = []
        for epoch in range(1, epochs + 1):
            loss = _train_epoch(network, optimizer, images, labels, batch_size)
            accuracy = measure_accuracy(network, test)
            report_metric("train_loss", loss, epoch)
            report_metric("test_accuracy", accuracy, epoch)
            LOGGER.info("epoch", epoch=epoch, loss=round(loss, 4), accuracy=round(accuracy, 4))
            history.append({"epoch": epoch, "train_loss": loss, "test_accuracy": accuracy})
    return network.eval(), pd.DataFrame(history)


def _train_epoch(
    network: DigitNet,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    batch_size: int,
) -> float:
    network.train()
    total = 0.0
    for batch in torch.randperm(len(labels)).split(batch_size):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(labels)


def measure_accuracy(network: DigitNet, split: DigitSplit) -> float:
    """The share of images that get their own label."""
    network.eval()
    with torch.no_grad():
        predicted = network(torch.from_numpy(split.images)).argmax(1).numpy()
    return float((predicted == split.labels).mean())


@pyplugs.register
def evaluate_model(model: DigitNet, test: DigitSplit) -> float:
    """The accuracy on unperturbed images, also recorded as a metric."""
    with one_thread():
        accuracy = measure_accuracy(model, test)
    report_metric("clean_accuracy", accuracy)
    LOGGER.info("evaluated the model", clean_accuracy=round(accuracy, 4))
    return accuracy


@pyplugs.register
def restore_model(checkpoint: dict[str, Any]) -> DigitNet:
    """The trained network from its stored checkpoint."""
    return DigitNet.from_checkpoint(checkpoint)


@pyplugs.register
def plot_history(history: pd.DataFrame) -> Figure:
    """A figure of loss and accuracy over the epochs."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    left = figure.subplots()
    left.plot(history["epoch"], history["train_loss"], color="tab:blue")
    left.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    left.yaxis.label.set_color("tab:blue")
    right = left.twinx()
    right.plot(history["epoch"], history["test_accuracy"], color="tab:orange")
    right.set(ylabel="test accuracy", ylim=(0, 1))
    right.yaxis.label.set_color("tab:orange")
    return figure
