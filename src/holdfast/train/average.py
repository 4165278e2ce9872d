"""A moving average of the weights, which is often better than the weights of any one step."""

import copy

import torch
from torch import nn


def make_average(model: nn.Module) -> nn.Module:
    """A copy of the network that `follow` keeps up to date, and that never learns itself."""
    return copy.deepcopy(model).requires_grad_(False)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """Move the average towards the network by a share of `1 - decay`, in place (Polyak & Juditsky 1992).

    The first steps count more: at step t the decay is at most (1 + t) / (10 + t), else the fresh weights
    would stay in the average for as long as 1 / (1 - decay) steps. What is no fraction, such as a count
    of batches, is copied.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    pairs = [*zip(average.parameters(), model.parameters(), strict=True)]
    pairs += [*zip(average.buffers(), model.buffers(), strict=True)]  # type: ignore[list-item]
    moving = [(old, new.detach()) for old, new in pairs if old.is_floating_point()]
    torch._foreach_lerp_([old for old, _ in moving], [new for _, new in moving], share)
    for old, new in pairs:
        if not old.is_floating_point():
            old.copy_(new)
