"""Dropout that does not hang on what was drawn before, nor on how a batch is spread over processes."""

import numpy as np
import torch
from torch import Tensor, nn


class RowDropout(nn.Dropout):
    """As nn.Dropout, with a mask that is a function of a key, of its number and of the rows' places.

    The mask is drawn for the whole batch, and the rows of this process are taken from it.

    Args:
        share: of the numbers that become 0.
        number: from 1; tells the dropouts of a network apart.
    """

    def __init__(self, share: float, number: int) -> None:
        super().__init__(share)
        self.number = number
        self.key: tuple[int, ...] = ()
        self.rows = slice(0, 0)
        self.total = 0

    def forward(self, x: Tensor) -> Tensor:
        """Any shape whose first axis is that of the rows; another one is drawn as nn.Dropout does."""
        if not self.training or not self.p:
            return x
        if len(x) != self.rows.stop - self.rows.start:
            return super().forward(x)
        generator = torch.Generator(x.device).manual_seed(seed_of(*self.key, self.number))
        whole = torch.empty(self.total, *x.shape[1:], device=x.device)
        kept = whole.bernoulli_(1 - self.p, generator=generator)[self.rows]
        return x * (kept / (1 - self.p)).to(x.dtype)


def spread_dropouts(model: nn.Module) -> None:
    """Make every nn.Dropout of a network a RowDropout."""
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Dropout
    ]
    for number, (parent, name, child) in enumerate(found, 1):
        setattr(parent, name, RowDropout(child.p, number))


def roll_dropouts(model: nn.Module, key: tuple[int, ...], rows: slice, total: int) -> None:
    """Say which masks the next pass draws.

    Args:
        key: seed and step; others give other masks.
        rows: those of the whole batch that the network is about to see.
        total: rows of the whole batch.
    """
    for module in model.modules():
        if isinstance(module, RowDropout):
            module.key, module.rows, module.total = key, rows, total


def seed_of(*key: int) -> int:
    """One seed for torch from several numbers.

    On a CPU torch looks at the lower 32 bits of a seed only, so these must hang on all of the key.

    >>> seed_of(1, 5) % 2**32 == seed_of(2, 5) % 2**32
    False
    """
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
