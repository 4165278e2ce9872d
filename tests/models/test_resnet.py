"""The residual network: what is left out in training, and what is asked for that cannot be."""

import pytest
import torch

from holdfast.config.schema import ImagePrepare, ModelConfig
from holdfast.core.errors import ConfigError
from holdfast.models.resnet import Block, build, cell_shares


def test_a_block_begins_as_its_short_cut() -> None:
    x = torch.rand(4, 16, 8, 8)

    assert torch.equal(Block(16, 16)(x), x)


def test_a_block_that_is_left_out_is_its_short_cut_and_the_mean_over_chances_stays() -> None:
    torch.manual_seed(0)
    block = Block(16, 16, drop_path=0.5)
    torch.nn.init.constant_(block.norm2.weight, 0.5)
    x = torch.rand(200, 16, 4, 4) + 5  # so far above zero that the last ReLU cuts nothing off

    changes = block(x) - x

    left_out = (changes == 0).flatten(1).all(dim=1)
    assert 0.4 < left_out.float().mean() < 0.6
    block.drop_path.p = 0.0
    assert torch.allclose(changes[~left_out], 2 * (block(x) - x)[~left_out], atol=1e-4)


def test_nothing_is_left_out_outside_training() -> None:
    model = build(ModelConfig(width=16, depth=2, drop_path=0.9, dropout=0.0), ImagePrepare(size=32), 3).eval()
    pixels = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8)

    assert torch.equal(model(pixels)[0], model(pixels)[0])


def test_larger_pictures_are_seen_as_small_as_asked_for() -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(width=16, depth=1, side=32), ImagePrepare(size=64), 3).eval()
    seen: list[torch.Size] = []
    model.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))

    model(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))

    assert seen == [torch.Size([1, 3, 32, 32])]


def test_more_pixels_than_there_are_cannot_be_seen() -> None:
    with pytest.raises(ConfigError, match=r"model\.side: 96 is more than prepare\.size, 64"):
        build(ModelConfig(side=96), ImagePrepare(size=64), 3)


@pytest.mark.parametrize("places", [3, 5, 8])
def test_cells_hold_means_over_even_parts_of_a_side(places: int) -> None:
    shares = cell_shares(places, 2)
    values = torch.rand(places)

    assert shares.sum(dim=1).tolist() == pytest.approx([1, 1])
    fine = values.repeat_interleave(2)  # each place in halves, so that every cut lies between two of them
    assert (shares @ values).tolist() == pytest.approx(fine.view(2, -1).mean(dim=1).tolist())


def test_with_cells_it_matters_where_things_are() -> None:
    torch.manual_seed(0)
    pixels = torch.zeros((1, 32, 32, 3), dtype=torch.uint8)
    pixels[:, :16, :16] = 255
    moved = pixels.flip(1)

    model = build(ModelConfig(width=16, depth=1, cells=2), ImagePrepare(size=32), 3).eval()
    embedding, other = model.body(model.features(pixels)), model.body(model.features(moved))

    upper, lower = embedding.view(16, 2, 2).unbind(1)
    lower_of_moved = other.view(16, 2, 2)[:, 1]
    assert embedding.shape == (1, 64)
    assert not torch.allclose(upper, lower)
    assert torch.allclose(upper.mean(), lower_of_moved.mean(), atol=0.1)
