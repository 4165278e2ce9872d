import pytest

from holdfast.sweep.dial import Dial
from holdfast.sweep.plan import Plan, Pruning

WIDTH = Dial("model.width", "choice", choices=(16, 32))
EPOCHS = Dial("train.epochs", "int", 5, 15, step=5)
RATE = Dial("optim.lr", "float", 1e-5, 1e-2, log=True)


def plan(*dials: Dial) -> Plan:
    return Plan(dials, "grid", "accuracy", maximize=True, pruning=Pruning("halving", 2, 3), target=0.9)


def test_a_grid_holds_each_combination_once_and_the_last_dial_turns_fastest() -> None:
    grid = plan(WIDTH, EPOCHS)

    found = [tuple(grid.combination(number).values()) for number in range(6)]

    assert grid.grid_size() == 6
    assert found == [(16, 5), (16, 10), (16, 15), (32, 5), (32, 10), (32, 15)]
    with pytest.raises(ValueError, match="no combination 6"):
        grid.combination(6)


def test_a_dial_without_steps_has_no_grid() -> None:
    assert plan(WIDTH, RATE).grid_size() is None
    with pytest.raises(ValueError, match="no grid"):
        plan(RATE).combination(0)


def test_reads_back_what_it_writes() -> None:
    assert Plan.from_json(plan(WIDTH, RATE).to_json()) == plan(WIDTH, RATE)
