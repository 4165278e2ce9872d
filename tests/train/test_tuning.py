"""A network that has learnt before learns a little more, and the same way each time."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

from holdfast.core.errors import HoldfastError
from holdfast.models import Classifier, build
from holdfast.models.pruning import prune
from holdfast.train import tune
from tests.train.conftest import Toy


def loss_of(model: Classifier, given: Toy) -> float:
    """The log loss on the training split."""
    preparation = given.preparation(given.config())
    rows = given.version.indices("train")
    parts = [preparation.decode(given.version.read(int(row)))[0] for row in rows]
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(preparation.collate(parts)))
    targets = torch.from_numpy(given.version.targets[rows])
    return float(torch.nn.functional.cross_entropy(logits, targets))


@pytest.fixture
def cut(toy: Callable[[str], Toy]) -> tuple[Toy, Classifier]:
    """A network of which half was cut out."""
    given = toy("image")
    torch.manual_seed(0)
    config = given.config("model.width=32")
    model = build(config.model, config.prepare, 2)
    prune(model, 0.5)
    return given, model.eval()


def test_what_was_cut_learns_again_and_repeats_itself(cut: tuple[Toy, Classifier]) -> None:
    given, model = cut
    config, before = given.config(), loss_of(model, given)
    again = copy.deepcopy(model)

    for each in (model, again):
        tune(each, config, given.version, given.preparation(config), epochs=4, lr=1e-2)

    assert loss_of(model, given) < 0.9 * before
    assert not model.training
    first, second = (each.state_dict() for each in (model, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_loss_that_is_no_number_is_told(cut: tuple[Toy, Classifier]) -> None:
    given, model = cut
    config = given.config("optim.clip=0", "optim.name=sgd")
    with torch.no_grad():
        model.head.weight.fill_(np.inf)

    with pytest.raises(HoldfastError, match="the pruned network has diverged"):
        tune(model, config, given.version, given.preparation(config), epochs=1, lr=1.0)
