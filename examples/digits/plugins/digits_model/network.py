"""The network, and how it becomes a checkpoint and back."""

from typing import Any

import torch
from torch import nn


class DigitNet(nn.Module):
    """Two convolutions and two dense layers for images of shape (1, 8, 8)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classify = nn.Sequential(
            nn.Flatten(), nn.Linear(2 * width * 16, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores of shape (count, 10)."""
        return self.classify(self.features(images))

    def checkpoint(self) -> dict[str, Any]:
        """Everything that `from_checkpoint` needs: plain values and tensors."""
        return {"width": self.width, "weights": self.state_dict()}

    @classmethod
    def from_checkpoint(cls, checkpoint: dict[str, Any]) -> "DigitNet":
        """The network whose checkpoint this is, ready to predict."""
        network = cls(width=checkpoint["width"])
        network.load_state_dict(checkpoint["weights"])
        return network.eval()
