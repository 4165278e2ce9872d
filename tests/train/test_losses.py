"""Losses agree with those of torch, and weights do what they say."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from holdfast.config.schema import LossConfig
from holdfast.train.losses import as_shares, balanced, make_loss

CPU = torch.device("cpu")
TARGETS = np.array([0, 0, 0, 1, 2, 0])
MANY = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=np.int8)


def logits(count: int) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_label_is_cross_entropy(smoothing: float) -> None:
    loss = make_loss(LossConfig(label_smoothing=smoothing), "single", TARGETS, 3, CPU)

    expected = F.cross_entropy(logits(6), torch.from_numpy(TARGETS), label_smoothing=smoothing)

    shares = torch.from_numpy(as_shares(TARGETS, "single", 3))
    assert loss(logits(6), shares).item() == pytest.approx(expected.item(), rel=1e-6)


def test_balanced_weights_are_those_of_scikit_learn_and_of_torch() -> None:
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight

    weights = balanced(TARGETS, "single", 3)

    assert weights == pytest.approx(compute("balanced", classes=np.arange(3), y=TARGETS))
    loss = make_loss(LossConfig(class_weights="balanced"), "single", TARGETS, 3, CPU)
    # over the whole split the weights add up to the number of samples, as torch divides by
    expected = F.cross_entropy(logits(6), torch.from_numpy(TARGETS), torch.tensor(weights).float())
    shares = torch.from_numpy(as_shares(TARGETS, "single", 3))
    assert loss(logits(6), shares).item() == pytest.approx(expected.item(), rel=1e-6)


def test_many_labels_are_binary_cross_entropy_with_weights_for_positives() -> None:
    loss = make_loss(LossConfig(class_weights="balanced"), "multi", MANY, 3, CPU)

    weights = torch.tensor([1 / 3, 3.0, 1.0])  # the last label never occurs
    shares = torch.from_numpy(as_shares(MANY, "multi", 3))
    expected = F.binary_cross_entropy_with_logits(logits(4), shares, pos_weight=weights)
    assert loss(logits(4), shares).item() == pytest.approx(expected.item(), rel=1e-6)


def test_smoothing_of_many_labels_draws_targets_towards_a_half() -> None:
    smooth = make_loss(LossConfig(label_smoothing=0.2), "multi", MANY, 3, CPU)

    shares = torch.from_numpy(as_shares(MANY, "multi", 3))

    expected = F.binary_cross_entropy_with_logits(logits(4), shares * 0.8 + 0.1)
    assert smooth(logits(4), shares).item() == pytest.approx(expected.item(), rel=1e-6)


def test_labels_that_training_does_not_have_are_counted_too() -> None:
    assert balanced(np.array([0, 1]), "single", 4).tolist() == [1, 1, 1, 1]


def test_the_root_weighs_rare_labels_less_than_balanced_does() -> None:
    logits = torch.linspace(-2, 2, MANY.size).view(MANY.shape)
    targets, rarity = torch.from_numpy(MANY).float(), balanced(MANY, "multi", MANY.shape[1])

    loss = make_loss(LossConfig(class_weights="root"), "multi", MANY, MANY.shape[1], CPU)

    weights = torch.from_numpy(np.sqrt(rarity)).float()
    by_torch = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)
    assert rarity.max() > 1
    assert loss(logits, targets) == by_torch
