"""What is printed of a result."""

from holdfast.cli.report import evaluation


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
