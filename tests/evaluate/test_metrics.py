"""Every metric agrees with scikit-learn, on ties, missing labels and single rows."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from holdfast.evaluate import metrics, weighted
from holdfast.evaluate.weighted import outcome, weigh

Predictions = tuple[np.ndarray, np.ndarray]


@st.composite
def single(draw: st.DrawFn) -> Predictions:
    """Few rows and coarse probabilities, so that ties and missing labels are common."""
    n, labels = draw(st.integers(1, 25)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    said = rng.integers(0, draw(st.sampled_from([1, 3, 1000])) + 1, (n, labels)) + 0.5
    return said / said.sum(axis=1, keepdims=True), rng.integers(0, draw(st.integers(1, labels)), n)


@st.composite
def multi(draw: st.DrawFn) -> Predictions:
    n, labels = draw(st.integers(1, 25)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    steps = draw(st.sampled_from([1, 4, 1000]))
    said = rng.integers(0, steps + 1, (n, labels)) / steps
    return said, (rng.random((n, labels)) < rng.choice([0.0, 0.2, 0.5, 1.0], labels)).astype(np.int8)


def same(ours: float | None, theirs: float) -> bool:
    ours = math.nan if ours is None else ours
    return bool(np.isclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True))


def one_hot(said: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return targets if targets.ndim == 2 else np.eye(said.shape[1], dtype=int)[targets]


@given(single())
@settings(deadline=None)
def test_decisions_on_one_label_are_counted_as_scikit_learn_counts_them(pair: Predictions) -> None:
    said, targets = pair
    chosen = said.argmax(axis=1)

    assert same(metrics.accuracy(said, targets), sk.accuracy_score(targets, chosen))
    assert same(
        metrics.macro_f1(said, targets), sk.f1_score(targets, chosen, average="macro", zero_division=0)
    )
    table = sk.confusion_matrix(targets, chosen, labels=range(said.shape[1]))
    assert metrics.confusion_matrix(said, targets).tolist() == table.tolist()


@given(multi(), st.sampled_from([0.25, 0.5, 0.75]))
@settings(deadline=None)
def test_decisions_on_many_labels_are_counted_as_scikit_learn_counts_them(
    pair: Predictions, cut: float
) -> None:
    said, targets = pair
    cuts = [cut] * said.shape[1]
    chosen = (said >= cut).astype(int)
    each = [sk.f1_score(t, c, zero_division=np.nan) for t, c in zip(targets.T, chosen.T, strict=True)]
    known = [value for value in each if not math.isnan(value)]
    micro = sk.f1_score(targets.ravel(), chosen.ravel(), zero_division=np.nan)

    assert same(metrics.accuracy(said, targets, cuts), (targets == chosen).mean())
    assert same(metrics.exact_match(said, targets, cuts), (targets == chosen).all(axis=1).mean())
    assert same(metrics.macro_f1(said, targets, cuts), float(np.mean(known)) if known else math.nan)
    assert same(metrics.micro_f1(said, targets, cuts), micro)


@given(st.one_of(single(), multi()))
@settings(deadline=None)
def test_rankings_agree_with_scikit_learn_where_a_label_has_both_kinds(pair: Predictions) -> None:
    said, targets = pair
    columns = list(zip(said.T, one_hot(said, targets).T, strict=True))
    both = [(scores, true) for scores, true in columns if 0 < true.sum() < len(true)]

    precision = [sk.average_precision_score(true, scores) for scores, true in both]
    area = [sk.roc_auc_score(true, scores) for scores, true in both]

    assert same(metrics.average_precision(said, targets), np.mean(precision) if both else math.nan)
    assert same(metrics.auroc(said, targets), np.mean(area) if both else math.nan)


@given(st.one_of(single(), multi()))
@settings(deadline=None)
def test_log_loss_agrees_with_scikit_learn(pair: Predictions) -> None:
    said, targets = pair
    if targets.ndim == 1:
        theirs = sk.log_loss(targets, said, labels=range(said.shape[1]))
    else:
        said = np.clip(said, 0.01, 0.99)
        theirs = np.mean([sk.log_loss(t, s, labels=[0, 1]) for s, t in zip(said.T, targets.T, strict=True)])

    assert same(metrics.log_loss(said, targets), theirs)


@given(st.one_of(single(), multi()))
@settings(deadline=None)
def test_each_label_is_reported_as_scikit_learn_reports_it(pair: Predictions) -> None:
    said, targets = pair
    labels = [f"label {i}" for i in range(said.shape[1])]
    chosen = (said >= 0.5).astype(int) if targets.ndim == 2 else said.argmax(axis=1)

    rows = metrics.per_class(said, targets, labels)

    assert [row["label"] for row in rows] == labels
    json.dumps(rows, allow_nan=False)
    truth = one_hot(said, targets)
    for i, row in enumerate(rows):
        theirs = sk.precision_recall_fscore_support(
            truth[:, i], one_hot(said, chosen)[:, i], average="binary", zero_division=np.nan
        )
        assert same(row["precision"], theirs[0])
        assert same(row["recall"], theirs[1])
        assert same(row["f1"], theirs[2])
        assert row["support"] == truth[:, i].sum()


@given(st.one_of(single(), multi()), st.integers(0, 1000))
@settings(max_examples=200, deadline=None)
def test_a_sample_of_weight_two_counts_as_two_samples(pair: Predictions, seed: int) -> None:
    said, targets = pair
    times = np.random.default_rng(seed).integers(0, 3, len(said))
    if not times.any():
        times[0] = 1
    rows = np.repeat(np.arange(len(said)), times)

    weighted = weigh(outcome(said, targets), np.stack([np.ones(len(said)), times], axis=1))

    whole, repeated = metrics.measure(said, targets), metrics.measure(said[rows], targets[rows])
    kept_all = (one_hot(said, targets)[rows].any(axis=0) == one_hot(said, targets).any(axis=0)).all()
    for name, value in weighted.items():
        assert same(whole[name], value[0])
        if name != "macro_f1" or kept_all:
            assert same(repeated[name], value[1])


def test_a_class_that_a_resample_lost_is_left_out_of_its_macro_f1() -> None:
    said = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    targets = np.array([0, 0, 1])

    without_second = weigh(outcome(said, targets), np.array([[1.0], [1.0], [0.0]]))

    assert without_second["macro_f1"][0] == pytest.approx(2 / 3)  # the first class alone, not 1/3


def test_many_labels_have_two_more_metrics() -> None:
    one = metrics.measure(np.array([[0.9, 0.1]]), np.array([0]))
    many = metrics.measure(np.array([[0.9, 0.1]]), np.array([[1, 0]]))

    assert list(one) == ["accuracy", "macro_f1", "average_precision", "auroc", "log_loss"]
    assert set(many) - set(one) == {"exact_match", "micro_f1"}


def test_what_is_undefined_is_none_in_json_and_nan_in_numbers() -> None:
    said, targets = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 0])

    assert metrics.measure(said, targets)["auroc"] is None
    assert math.isnan(metrics.auroc(said, targets))
    assert metrics.per_class(said, targets, ["a", "b"])[1]["recall"] is None


@pytest.mark.parametrize(
    ("said", "targets", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), r"got \(0, 2\) for targets \(0,\)"),
        (np.ones((2, 2)) / 2, np.array([0]), r"got \(2, 2\) for targets \(1,\)"),
        (np.ones((1, 2)) / 2, np.array([2]), "targets go from 2 to 2, but there are 2 labels"),
        (np.ones((1, 2)) / 2, np.array([-1]), "targets go from -1 to -1"),
        (np.ones((1, 2)) / 2, np.array([[0, 2]]), "targets of many labels are 0 and 1"),
        (np.array([[math.nan, 0.5]]), np.array([0]), "probabilities go from nan to nan"),
        (np.array([[3.0, -2.0]]), np.array([0]), "probabilities go from -2.0 to 3.0"),
    ],
)
def test_what_does_not_fit_is_refused(said: np.ndarray, targets: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.measure(said, targets)


def test_many_labels_have_no_confusion_matrix() -> None:
    arguments: Any = (np.array([[0.9, 0.1]]), np.array([[1, 0]]))

    with pytest.raises(ValueError, match="no confusion matrix"):
        metrics.confusion_matrix(*arguments)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_labels_of_few_samples_and_blocks_of_labels_are_counted_as_all_are(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    said = rng.integers(0, 12, (60, 7)) / 12  # many equal scores
    truth = rng.integers(0, 7, 60) if task == "single" else rng.integers(0, 2, (60, 7))
    told, draws = weighted.outcome(said, truth), rng.integers(0, 4, (60, 5)).astype(float)

    found = []
    for few, block in ((0, 10**6), (10**6, 130)):
        monkeypatch.setattr(weighted, "_FEW", few)
        monkeypatch.setattr(weighted, "_BLOCK", block)
        found.append(weighted.weigh(told, draws))

    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name])
