import pytest
from tests.journey import SETTINGS, Road, overrides

from holdfast.workflows.up import up


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
