"""Directions of edges in cells."""

import numpy as np
import torch

from holdfast.config.schema import ImagePrepare, ModelConfig
from holdfast.evaluate.features import oriented_gradients
from holdfast.models.gradients import Gradients
from holdfast.models.resnet import build


def ramp(turn: float, size: int = 32) -> torch.Tensor:
    """A picture whose brightness rises along one direction."""
    places = torch.arange(size, dtype=torch.float32)
    along = np.cos(turn) * places[None, :] + np.sin(turn) * places[:, None]
    return along.expand(1, 3, size, size)


def test_each_direction_has_its_own_place_and_its_opposite_the_same() -> None:
    gradients = Gradients(cells=2)

    for number in range(9):
        turn = number * np.pi / 9
        blocks = gradients(ramp(turn)).view(4, 9)
        assert blocks.argmax(dim=1).tolist() == [number] * 4
        assert torch.allclose(gradients(ramp(turn + np.pi)).view(4, 9), blocks, atol=1e-4)


def test_neither_brightness_nor_contrast_counts() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(3, 3, 40, 40)
    gradients = Gradients()

    assert torch.allclose(gradients(5 * pictures - 2), gradients(pictures), atol=2e-3)


def test_is_close_to_the_histograms_of_the_baseline() -> None:
    rng = np.random.default_rng(0)
    grey = np.cumsum(rng.normal(size=(20, 64, 64)), axis=1).astype(np.float32) / 20
    theirs = oriented_gradients(grey).reshape(20, -1)

    ours = Gradients()(torch.from_numpy(grey)[:, None].expand(-1, 3, -1, -1)).numpy()

    assert ours.shape == theirs.shape
    assert np.corrcoef(np.sort(ours.ravel()), np.sort(theirs.ravel()))[0, 1] > 0.9


def test_a_plain_picture_gives_zeros_and_no_nan() -> None:
    found = Gradients()(torch.full((2, 3, 24, 24), 0.3))

    assert torch.isfinite(found).all()
    assert found.abs().max() < 1e-3


def test_they_stand_beside_the_embedding_and_learn_nothing() -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    model = build(ModelConfig(width=16, depth=1, gradients=4), ImagePrepare(size=32), 3)

    logits, embedding = model(pixels)

    assert logits.shape == (4, 3)
    assert embedding.shape == (4, 16 + 9 * 4 * 9)
    assert embedding[:, 16:].mean(dim=0).abs().max() < 1e-4  # normed over the batch
    assert not any("gradients" in name for name, _ in model.named_parameters())
