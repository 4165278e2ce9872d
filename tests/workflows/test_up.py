import pytest
from tests.journey import SETTINGS, Road


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


@pytest.mark.parametrize("name", SETTINGS)
def test_the_graph_says_what_the_training_code_says(road: Road, name: str) -> None:
    parity = road.results[name]["parity"]

    assert parity["max_difference"] < 1e-4
    assert parity["equal_labels"] == 1.0
    assert parity["samples"] == road.results[name]["samples"] + road.results[name]["left_out_twins"]
