import shutil
from pathlib import Path

import pytest

from holdfast.core.workspace import Workspace
from holdfast.testing.toys import write_images
from holdfast.workflows.up import up
from tests.journey import SETTINGS, Road, overrides


@pytest.mark.parametrize("name", SETTINGS)
def test_the_result_names_all_that_was_made(road: Road, name: str) -> None:
    result = road.results[name]

    assert {"dataset", "run", "model", "metrics", "baselines", "parity", "seconds"} <= set(result)
    assert set(result["dataset"]) == {"name", "version", "fingerprint", "samples", "quarantined"}
    assert set(result["baselines"]) == {"majority", "simple"}
    assert result["metrics"][result["headline"]]["low"] <= result["metrics"][result["headline"]]["value"]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_model_has_learnt(road: Road, name: str) -> None:
    result = road.results[name]
    headline = result["headline"]

    assert result["beats"]["majority"]
    assert result["metrics"][headline]["value"] > result["baselines"]["majority"][headline]["high"]


def test_what_was_done_is_not_done_again(road: Road) -> None:
    again = up(road.source("shapes"), road.workspace, overrides=overrides("shapes"), force=True)

    assert (again["run"], again["model"]) == (road.results["shapes"]["run"], "shapes@1")
    assert again["metrics"] == road.results["shapes"]["metrics"]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_graph_says_what_the_training_code_says(road: Road, name: str) -> None:
    parity = road.results[name]["parity"]

    assert parity["max_difference"] < 1e-4
    assert parity["equal_labels"] == 1.0
    assert parity["samples"] == road.results[name]["samples"] + road.results[name]["left_out_twins"]


def test_twins_of_training_samples_are_counted_aloud_and_left_out(tmp_path: Path) -> None:
    for split, per_class, seed in (("train", 20, 0), ("test", 8, 1)):
        write_images(tmp_path / "given" / split, per_class=per_class, seed=seed)
    for name in ("disc (0).png", "disc (1).png", "disc (2).png"):
        shutil.copy(tmp_path / "given/train/disc" / name, tmp_path / "given/test/disc" / f"copy of {name}")

    settings = [*overrides("shapes"), "train.epochs=1", "evaluate.baselines=false"]
    result = up(tmp_path / "given", Workspace(tmp_path / "home"), overrides=settings)

    assert (result["samples"], result["left_out_twins"]) == (16, 3)
    assert result["metrics_with_twins"].keys() == result["metrics"].keys()
    assert any("copies of training samples" in finding["title"] for finding in result["findings"])
    assert not result["gate"]["promoted"]
    assert "simple" in " ".join(result["gate"]["reasons"])
