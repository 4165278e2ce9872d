"""A team: which rows are whose. What it sums is tested with real processes, in test_launch.py."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from holdfast.train.team import ALONE, Team


@given(count=st.integers(0, 500), size=st.integers(1, 9))
def test_parts_are_even_and_together_are_everything(count: int, size: int) -> None:
    parts = [np.arange(count)[Team(rank, size).part(count)] for rank in range(size)]

    assert np.concatenate(parts).tolist() == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_alone_sums_nothing() -> None:
    layer = nn.Linear(1, 1)
    loss = layer(torch.ones(1, 1)).sum()
    loss.backward()
    before = [weight.grad.clone() for weight in layer.parameters()]

    assert ALONE.total_gradients(layer.parameters(), loss) == loss.item()
    assert all(torch.equal(weight.grad, old) for weight, old in zip(layer.parameters(), before, strict=True))
    assert ALONE.total_array(np.ones(2)).tolist() == [1, 1]
    assert ALONE.lead_says(True)
    assert not ALONE.lead_says(False)
    ALONE.check_same(layer)
