"""Tasks that load data and set the random seed."""

import random

import numpy as np
import structlog
import torch
from dioptra import pyplugs
from sklearn import datasets
from sklearn.model_selection import train_test_split

from .split import DigitSplit

LOGGER = structlog.get_logger()

# Scikit-learn stores ink as 0 ... 16.
_INK_LEVELS = 16.0


@pyplugs.register
def set_random_seed(seed: int) -> int:
    """Seed everything that draws random numbers.

    Steps that draw name this one under `dependencies`.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries draw from the global state
    torch.manual_seed(seed)
    LOGGER.info("set the random seed", seed=seed)
    return seed


@pyplugs.register
def load_digits(seed: int = 0, test_fraction: float = 0.25) -> tuple[DigitSplit, DigitSplit]:
    """Load the digits and split them, with the same share of each class in both parts."""
    bundled = datasets.load_digits()
    images = (bundled.images / _INK_LEVELS).astype(np.float32)[:, np.newaxis]
    labels = bundled.target.astype(np.int64)
    parts = train_test_split(
        images, labels, test_size=test_fraction, random_state=seed, stratify=labels
    )
    train, test = DigitSplit(parts[0], parts[2]), DigitSplit(parts[1], parts[3])
    LOGGER.info("loaded the digits", train=len(train), test=len(test))
    return train, test
