"""Batch normalisation over several processes is that over one, forward and backward."""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from holdfast.train.norm import TeamNorm, join_norms
from holdfast.train.team import ALONE, Team


@dataclass
class Board:
    """Where threads put what they sum."""

    barrier: threading.Barrier
    values: dict[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ThreadTeam(Team):
    """A team of threads, which need no start of seconds."""

    board: Board = None  # type: ignore[assignment]

    def total(self, values: Tensor) -> Tensor:
        self.board.values[self.rank] = values.detach()
        self.board.barrier.wait(10)
        whole = sum(self.board.values[rank] for rank in range(self.size))
        self.board.barrier.wait(10)
        return whole

    def __deepcopy__(self, memo: object) -> "ThreadTeam":
        return self


def in_threads(size: int, work: Callable[[ThreadTeam], object]) -> list:
    """What the work gives in each of the threads of a team."""
    board, found = Board(threading.Barrier(size)), [None] * size

    def one(rank: int) -> None:
        found[rank] = work(ThreadTeam(rank, size, board))

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_three_steps_are_those_of_torch_on_the_whole_batch(size, momentum) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=momentum), nn.ReLU()).double()
    batches = 5 + 3 * torch.randn(3, 7, 3, 6, 5, dtype=torch.float64)  # seven rows: uneven parts

    def steps(team: Team) -> tuple[nn.Module, list[list[Tensor]]]:
        network, gradients = copy.deepcopy(plain), []
        join_norms(network, team)
        for batch in batches:
            rows = batch[team.part(len(batch))]
            network.zero_grad()
            loss = network(rows).square().mean() * (len(rows) / len(batch))
            loss.backward()
            team.total_gradients(network.parameters(), loss)
            gradients.append([weight.grad.clone() for weight in network.parameters()])
        return network, gradients

    expected, expected_gradients = steps(ALONE)
    for network, gradients in in_threads(size, steps):
        assert isinstance(network[1], TeamNorm)
        torch.testing.assert_close(gradients, expected_gradients, rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(network.state_dict(), expected.state_dict(), rtol=1e-12, atol=1e-13)
        network.eval()
        expected.eval()
        torch.testing.assert_close(network(batches[0]), expected(batches[0]))


def test_large_means_leave_no_noise_in_the_variance() -> None:
    values = 1e4 + torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    expected = values.double().var(0)

    def remembered(team: Team) -> Tensor:
        norm = TeamNorm(nn.BatchNorm1d(2, momentum=1.0), team)
        norm(values[team.part(8)])
        return norm.running_var

    for found in in_threads(2, remembered):
        torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=0)


def test_answers_in_the_numbers_that_it_is_asked_in() -> None:
    values = torch.randn(4, 2).bfloat16()

    answers = in_threads(2, lambda team: TeamNorm(nn.BatchNorm1d(2), team)(values[team.part(4)]).dtype)

    assert answers == [torch.bfloat16] * 2


def test_weights_that_differ_are_found_out() -> None:
    from holdfast.core.errors import HoldfastError

    def compare(team: Team) -> str:
        layer = nn.Linear(1, 1)
        nn.init.constant_(layer.weight, 1 + team.rank * 1e-7)
        nn.init.zeros_(layer.bias)
        try:
            team.check_same(layer)
        except HoldfastError as error:
            return error.message
        return "same"

    assert in_threads(2, compare) == ["the processes of this training do not hold the same weights"] * 2
