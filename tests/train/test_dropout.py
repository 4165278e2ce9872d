"""Dropout by rows: the same mask for a row, wherever the row is computed."""

import pytest
import torch
from torch import nn

from holdfast.train.dropout import RowDropout, roll_dropouts, seed_of, spread_dropouts


@pytest.fixture
def network() -> nn.Module:
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Identity(), nn.Dropout(0.25)))
    spread_dropouts(model)
    return model


def through(
    network: nn.Module, rows: slice, *, total: int = 8, key: tuple[int, int] = (0, 0)
) -> torch.Tensor:
    """What becomes of ones in these rows of a batch."""
    roll_dropouts(network, key, rows, total)
    return network(torch.ones(rows.stop - rows.start, 500))


def test_a_row_is_masked_alike_in_the_whole_batch_and_in_a_part_of_it(network) -> None:
    whole = through(network, slice(0, 8))

    parts = [through(network, slice(0, 3)), through(network, slice(3, 8))]

    assert torch.equal(torch.cat(parts), whole)


def test_masks_hang_on_nothing_that_was_drawn_before(network) -> None:
    first = through(network, slice(0, 8))

    torch.rand(5)

    assert torch.equal(through(network, slice(0, 8)), first)


def test_steps_seeds_and_layers_have_masks_of_their_own(network) -> None:
    masks = [through(network, slice(0, 8), key=key) for key in ((0, 0), (0, 1), (1, 0))]
    masks.append(through(nn.Sequential(network[0], network[0]), slice(0, 8)) / 4)

    assert not any(torch.equal(a, b) for a in masks for b in masks if a is not b)


def test_keeps_the_share_it_should_and_the_mean(network) -> None:
    kept = through(network, slice(0, 8))

    assert (kept > 0).float().mean().item() == pytest.approx(0.5 * 0.75, abs=0.03)
    assert kept.mean().item() == pytest.approx(1, abs=0.07)


def test_drops_nothing_outside_of_training(network) -> None:
    assert torch.equal(through(network.eval(), slice(0, 8)), torch.ones(8, 500))


def test_what_does_not_begin_with_the_rows_is_dropped_as_torch_does() -> None:
    layer = RowDropout(0.5, 1)
    roll_dropouts(layer, (0, 0), slice(0, 2), 4)
    torch.manual_seed(0)

    dropped = layer(torch.ones(3, 9))

    torch.manual_seed(0)
    assert torch.equal(dropped, nn.functional.dropout(torch.ones(3, 9), 0.5))


def test_seeds_differ_where_torch_looks() -> None:
    seeds = {seed_of(seed, step) % 2**32 for seed in range(20) for step in range(20)}

    assert len(seeds) == 400
