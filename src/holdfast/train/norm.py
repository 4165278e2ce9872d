"""Batch normalisation over the batch of all processes. Torch's own does that on CUDA only."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from holdfast.train.team import Team


class TeamNorm(_BatchNorm):
    """As nn.BatchNorm1d, 2d and 3d, with mean and variance over the rows of all processes.

    Each process gives its count, mean and squared deviation from that mean; they are put together
    as Chan et al. (1979) do, so that no large squares are taken off each other.
    """

    def __init__(self, like: _BatchNorm, team: Team) -> None:
        super().__init__(like.num_features, like.eps, like.momentum)
        self.team = team
        self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked

    def _check_input_dim(self, x: Tensor) -> None:
        pass  # any number of axes, the channels on the second

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, channels, …) in and out; outside of training the running statistics are used."""
        if not self.training:
            return super().forward(x)
        wide = (1, -1, *[1] * (x.ndim - 2))
        axes = [axis for axis in range(x.ndim) if axis != 1]
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean, variance, count = self._statistics(values, axes, wide)
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return ((values - mean.view(wide)) * scale.view(wide) + self.bias.view(wide)).to(x.dtype)

    def _statistics(self, x: Tensor, axes: list[int], wide: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance of each channel over all processes, and how many numbers each is over."""
        mean = x.mean(axes)
        spread = (x - mean.view(wide)).square().sum(axes)
        count = torch.full_like(mean[:1], x.numel() / x.shape[1])
        own = torch.cat([count, mean, spread])
        table = [own if rank == self.team.rank else torch.zeros_like(own) for rank in range(self.team.size)]
        rows: Tensor = _Total.apply(torch.stack(table), self.team)  # type: ignore[no-untyped-call]
        counts, means, spreads = torch.split(rows, [1, len(mean), len(mean)], dim=1)
        whole = counts.sum()
        middle = (counts * means).sum(0) / whole
        return middle, (spreads + counts * (means - middle).square()).sum(0) / whole, whole

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)


def join_norms(model: nn.Module, team: Team) -> None:
    """Let every batch normalisation of a network see the batches of all processes; a team of one has that."""
    if team.size == 1:
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                setattr(parent, name, TeamNorm(child, team))


class _Total(torch.autograd.Function):
    """The sum over all processes. Each of them needs what the others' losses say of its own values."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, team: Team) -> Tensor:
        ctx.team = team
        return team.total(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return ctx.team.total(gradient), None
