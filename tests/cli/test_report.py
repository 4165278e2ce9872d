"""What is printed of a result."""

from pathlib import Path

from holdfast.cli.report import evaluation, models
from tests.journey import holdfast


def test_labels_that_a_score_says_nothing_of_are_named() -> None:
    told = {
        "model": "birds@1",
        "dataset": "birds@1",
        "split": "test",
        "samples": 2,
        "metrics": {"macro_f1": {"value": 1.0, "low": 1.0, "high": 1.0}},
        "baselines": {},
        "headline": "macro_f1",
        "undefined": ["finch", "rook"],
        "per_class": [],
    }

    assert "! not fully measured, as all or none of the samples have the label: finch, rook" in evaluation(
        told
    )
    assert "not fully measured" not in evaluation({**told, "undefined": []})


def test_a_problem_of_a_model_is_shown_where_there_is_one() -> None:
    columns = ("ref", "aliases", "headline", "value", "dataset", "run", "created", "problem")
    row = {**dict.fromkeys(columns), "ref": "birds@1"}

    assert "the version is gone" in models([row, {**row, "problem": "the version is gone"}], empty="")
    assert "problem" not in models([row], empty="")


def test_where_there_are_no_models_the_place_is_said(tmp_path: Path) -> None:
    assert holdfast("models", "list", home=tmp_path).stdout.strip() == f"no models yet in {tmp_path}"
