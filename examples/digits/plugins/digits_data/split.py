"""Images with their labels, as the other plugins take them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DigitSplit:
    """Some of the digits.

    Attributes:
        images: float32 of shape (count, 1, 8, 8), in [0, 1].
        labels: int64 of shape (count,).
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)
