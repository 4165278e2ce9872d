"""How weights are updated: the optimiser, and the learning rate at each step."""

import math

import torch
from torch import nn

from holdfast.config.schema import OptimConfig


def make_optimizer(config: OptimConfig, model: nn.Module) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum. Weight decay leaves biases and norms alone."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]
    fused = weights[0].device.type in ("cpu", "cuda")  # one kernel instead of ten for each weight
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=fused)
    return torch.optim.SGD(
        groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0, fused=fused
    )


def learning_rate(config: OptimConfig, step: int, steps: int) -> float:
    """The learning rate of a step, from 0 to steps - 1. It is a function of the step, so nothing is kept.

    It rises in a line over the first `warmup` share of the steps, then falls by the schedule: to almost
    nothing along half a cosine or a line, by ten at a half and at three quarters of the way, or not at all.

    >>> config = OptimConfig(lr=1.0, warmup=0.5, schedule="linear")
    >>> [learning_rate(config, step, 8) for step in range(8)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rising = round(config.warmup * steps)
    if step < rising:
        return config.lr * (step + 1) / rising
    passed = (step - rising) / max(1, steps - rising)
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * passed)) / 2
    if config.schedule == "linear":
        return config.lr * (1 - passed)
    if config.schedule == "step":
        return config.lr * (0.01 if passed >= 0.75 else 0.1 if passed >= 0.5 else 1)
    return config.lr


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use a learning rate from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
