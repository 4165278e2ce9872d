from pathlib import Path

import pytest
import torch
from torch import nn

from holdfast.core.errors import HoldfastError
from holdfast.train.checkpoint import State, save_best, save_last
from holdfast.train.difference import weights_difference


def checkpoints(folder: Path, best: list[float], last: list[float] | None = None) -> Path:
    """A network of one layer, whose weights are these, and whose bias is 0."""
    model = nn.Linear(len(best), 1)
    optimizer, scaler = torch.optim.SGD(model.parameters()), torch.amp.GradScaler("cpu", enabled=False)
    nn.init.zeros_(model.bias)
    for values in (best, last or best):
        with torch.no_grad():
            model.weight.copy_(torch.tensor([values]))
        if values is best:
            save_best(folder, model, {"epoch": 1})
        save_last(folder, model, optimizer, scaler, State(epoch=1))
    return folder


def test_the_same_bits_are_equal(tmp_path: Path) -> None:
    found = weights_difference(
        checkpoints(tmp_path / "a", [1.0, 2.0]), checkpoints(tmp_path / "b", [1.0, 2.0])
    )

    assert found == {
        "equal": True,
        "last_equal": True,
        "tensors": 2,
        "different": [],
        "max_difference": 0.0,
        "worst": None,
    }


def test_the_worst_tensor_is_named_with_its_largest_difference(tmp_path: Path) -> None:
    first = checkpoints(tmp_path / "a", [1.0, 2.0, 3.0])
    second = checkpoints(tmp_path / "b", [1.0, 1.75, 3.125])

    found = weights_difference(first, second)

    assert not found["equal"]
    assert found["different"] == [{"name": "weight", "max_difference": 0.25}]
    assert (found["worst"], found["max_difference"]) == ("weight", 0.25)


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ([0.0], [-0.0], 0.0),
        ([1.0], [float("nan")], None),
        ([1.0], [1.0, 1.0], None),
    ],
    ids=["signed zero", "not a number", "another shape"],
)
def test_what_looks_equal_or_cannot_be_measured_still_differs(
    tmp_path: Path, first: list[float], second: list[float], distance: float | None
) -> None:
    found = weights_difference(checkpoints(tmp_path / "a", first), checkpoints(tmp_path / "b", second))

    assert not found["equal"]
    assert found["max_difference"] == distance
    assert found["worst"] == "weight"


def test_nothing_is_worse_than_what_cannot_be_measured(tmp_path: Path) -> None:
    first, second = checkpoints(tmp_path / "a", [1.0]), tmp_path / "b"
    model = nn.Linear(2, 1)
    nn.init.ones_(model.bias)
    save_best(second, model, {"epoch": 1})
    optimizer, scaler = torch.optim.SGD(model.parameters()), torch.amp.GradScaler("cpu", enabled=False)
    save_last(second, model, optimizer, scaler, State(epoch=1))

    found = weights_difference(first, second)

    assert [row["name"] for row in found["different"]] == ["weight", "bias"]
    assert found["max_difference"] is None


def test_trainings_that_part_after_their_best_epoch_are_not_equal(tmp_path: Path) -> None:
    first = checkpoints(tmp_path / "a", [1.0], last=[2.0])
    second = checkpoints(tmp_path / "b", [1.0], last=[2.5])

    found = weights_difference(first, second)

    assert (found["equal"], found["last_equal"], found["different"]) == (False, False, [])


def test_the_weights_of_nan_are_equal_to_themselves(tmp_path: Path) -> None:
    both = [checkpoints(tmp_path / name, [float("nan")]) for name in "ab"]

    assert weights_difference(*both)["equal"]


def test_a_run_without_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(HoldfastError, match="holds no weights"):
        weights_difference(checkpoints(tmp_path / "a", [1.0]), tmp_path / "b")
