"""Attacks that follow the sign of the loss's gradient, inside an L-infinity ball."""

import torch
from torch import nn
from torch.nn import functional


def fast_gradient_sign(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, *, eps: float
) -> torch.Tensor:
    """FGSM: one step of size eps (Goodfellow et al., 2015)."""
    return (images + eps * _ascent(model, images, labels)).clamp(0, 1)


def projected_gradient(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, *, eps: float, steps: int
) -> torch.Tensor:
    """PGD: many small steps from a random start (Madry et al., 2018)."""
    step_size = 2.5 * eps / steps
    noise = torch.empty_like(images).uniform_(-eps, eps)
    adversarial = (images + noise).clamp(0, 1)
    for _ in range(steps):
        moved = adversarial + step_size * _ascent(model, adversarial, labels)
        adversarial = images + (moved - images).clamp(-eps, eps)
        adversarial = adversarial.clamp(0, 1)
    return adversarial


def _ascent(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """For each pixel, the direction in which the loss grows."""
    leaf = images.detach().requires_grad_()
    loss = functional.cross_entropy(model(leaf), labels, reduction="sum")
    return torch.autograd.grad(loss, leaf)[0].sign()
