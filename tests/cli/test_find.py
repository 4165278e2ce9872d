"""The commands that find a learning rate or a batch size."""

import pytest

from holdfast.cli.plot import curve
from tests.journey import Road, answer, holdfast, overrides


def test_points_lie_where_they_belong() -> None:
    drawn = curve([0, 1, 2, 3], [0, 1, 2, 3], width=2, height=2).splitlines()

    assert [line[-2:] for line in drawn[:2]] == ["⠀⠌", "⡐⠀"]  # dots of a line that rises
    assert drawn[2].split() == ["0", "3"]


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0]])
def test_a_flat_curve_is_drawn_too(values) -> None:
    assert "┤" in curve([1.0] * len(values), values)


def test_a_learning_rate_is_found_for_texts_and_can_be_trained_with(road: Road) -> None:
    home = road.workspace.home
    found = answer("find", "lr", "words", *overrides("words"), "--steps", "30", home=home)

    assert found["dataset"] == "words@1"
    assert len(found["rates"]) == len(found["losses"]) <= 30
    assert found["setting"] == f"optim.lr={found['suggested']:g}"

    plotted = holdfast("find", "lr", "words", *overrides("words"), "--steps", "30", home=home).stdout
    assert "┤" in plotted
    assert f"suggested: {found['setting']}" in plotted


def test_a_batch_size_is_found(road: Road) -> None:
    args = ("find", "batch", "shapes", *overrides("shapes"), "--largest", "8")
    printed = holdfast(*args, home=road.workspace.home).stdout

    assert "suggested: train.batch=" in printed
    assert "samples_s" in printed


def test_finding_leaves_no_run_behind(road: Road) -> None:
    before = answer("runs", "list", home=road.workspace.home)

    holdfast("find", "batch", "shapes", *overrides("shapes"), "--largest", "2", home=road.workspace.home)

    assert answer("runs", "list", home=road.workspace.home) == before
