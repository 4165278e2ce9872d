"""The processes that train one run together: the share of each, and the sums over all of them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from holdfast.core.errors import HoldfastError, TeamError


@dataclass(frozen=True)
class Team:
    """Where this process stands among those that train together.

    Every method that sums must be called by all of them, in the same order. A team of one sums nothing.

    Attributes:
        rank: of this process, from 0; 0 leads: it alone writes to the run.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes to the run."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Which of `count` rows are this process's; the parts differ by one row at most.

        >>> [Team(rank, 3).part(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def total(self, values: Tensor) -> Tensor:
        """The sum of the values of all processes, the same bits in each of them.

        Raises:
            TeamError: if another process has ended, or does not answer.
        """
        if self.size == 1:
            return values
        device = values.device.type if dist.get_backend() == "nccl" else "cpu"
        whole = values.detach().to(device, copy=True, memory_format=torch.contiguous_format)
        try:
            dist.all_reduce(whole)
        except RuntimeError as error:
            raise TeamError(f"process {self.rank + 1} of {self.size} lost the others: {error}") from error
        return whole.to(values.device)

    def total_array(self, values: np.ndarray) -> np.ndarray:
        """As `total`, for NumPy."""
        whole: np.ndarray = self.total(torch.from_numpy(values)).numpy()
        return whole

    def total_gradients(self, weights: Iterable[nn.Parameter], loss: Tensor) -> float:
        """Give each weight the sum of its gradients over all processes; returns the sum of their losses.

        One message for all weights: where each process weighs its loss by its share of the rows of a
        batch, this is the gradient of the mean over the whole batch.
        """
        if self.size == 1:
            return float(loss.detach())  # waits for the device; fine at this batch rate
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        sizes = [gradient.numel() for gradient in gradients]
        own = torch.cat([*(gradient.flatten() for gradient in gradients), loss.detach().reshape(1)])
        *summed, whole = torch.split(self.total(own), [*sizes, 1])
        for gradient, values in zip(gradients, summed, strict=True):
            gradient.copy_(values.view_as(gradient))
        return float(whole)

    def lead_says(self, answer: bool) -> bool:
        """The lead's answer, whatever the others would say; for what hangs on a clock."""
        return bool(self.total(torch.tensor(int(answer and self.leads))))

    def check_same(self, model: nn.Module) -> None:
        """Make sure that all processes hold the same weights.

        Raises:
            HoldfastError: if they do not.
        """
        if self.size == 1:
            return
        digest = hashlib.sha256()
        for tensor in model.state_dict().values():
            digest.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy())
        table = torch.zeros(self.size, dtype=torch.int64)
        table[self.rank] = int(digest.hexdigest()[:15], 16)
        if len(set(self.total(table).tolist())) > 1:
            raise HoldfastError(
                "the processes of this training do not hold the same weights",
                hint="they must see the same files on the same release; or train with launch.processes=1",
            )


ALONE = Team()


@dataclass(frozen=True)
class Onlooker:
    """A run as those see it who do not lead: they know its folder, and write nothing."""

    folder: Path

    def log(self, step: int, **values: float | int | str | None) -> None:
        """The lead does."""

    def rewind(self, step: int) -> None:
        """The lead does."""

    def update(self, **fields: object) -> None:
        """The lead does."""
