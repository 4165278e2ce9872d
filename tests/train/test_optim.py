"""How weights are updated."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from holdfast.config.schema import OptimConfig
from holdfast.train.optim import learning_rate, make_optimizer

SCHEDULES = ["cosine", "linear", "step", "constant"]


@given(st.sampled_from(SCHEDULES), st.floats(0, 0.99), st.integers(1, 300))
def test_the_rate_rises_to_its_peak_then_never_again(schedule: str, warmup: float, steps: int) -> None:
    config = OptimConfig(lr=0.5, schedule=schedule, warmup=warmup)

    rates = [learning_rate(config, step, steps) for step in range(steps)]

    assert 0 < min(rates) <= max(rates) <= 0.5
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_cosine_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    config = OptimConfig(lr=0.3, warmup=0)

    for step in range(20):
        assert learning_rate(config, step, 20) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_the_step_falls_by_ten_twice() -> None:
    config = OptimConfig(lr=1, warmup=0, schedule="step")

    assert [learning_rate(config, step, 8) for step in range(8)] == [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_decay_pulls_at_weights_but_not_at_biases_and_norms(name: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    for weight in model.parameters():
        nn.init.ones_(weight)
    optimizer = make_optimizer(OptimConfig(name=name, lr=0.1, weight_decay=0.5), model)

    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()

    assert (model[0].weight < 1).all()
    assert all((weight == 1).all() for weight in (model[0].bias, model[1].weight, model[1].bias))
