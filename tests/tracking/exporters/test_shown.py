from holdfast.tracking import Run
from holdfast.tracking.exporters.shown import facts_of, named, results_of, settings_of


def test_what_is_no_number_is_not_shown_as_one() -> None:
    assert named({"step": 1, "loss": None, "note": "x", "ok": True, "rate": 1}) == {"train/rate": 1}


def test_settings_are_flat(run: Run) -> None:
    assert settings_of(run.folder) == {"optim.lr": 0.001, "track.to": ["mlflow"]}


def test_facts_are_words_and_leave_out_what_is_not_known(run: Run) -> None:
    facts = facts_of(run.info)

    assert facts["holdfast.dataset"] == "birds@3"
    assert "holdfast.model" not in facts


def test_results_carry_intervals_baselines_and_labels(run: Run) -> None:
    results = results_of(run.folder, "finished")

    assert results.metrics["test/accuracy"] == 0.9
    assert results.metrics["test/accuracy_low"] == 0.87
    assert results.metrics["test/majority_baseline/macro_f1"] == 0.5
    assert results.labels == ["disc", "square"]
    assert results.confusion == [[50, 0], [0, 50]]
    assert [sample.picture is None for sample in results.samples] == [False, True]


def test_a_run_without_a_bundle_has_no_results(run: Run) -> None:
    (run.folder / "bundle" / "evaluation.json").unlink()

    assert results_of(run.folder, "failed").metrics == {}
