"""The evaluation says every number beside its baselines, leaves twins out, and is JSON."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from holdfast.config.schema import EvaluateConfig
from holdfast.evaluate import evaluate, majority, measure

FAST = EvaluateConfig(bootstrap=50)


def split(n: int = 60, labels: int = 3, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.integers(labels, size=n)
    scores = rng.normal(size=(n, labels))
    scores[np.arange(n), targets] += skill
    said = np.exp(scores)
    return said / said.sum(axis=1, keepdims=True), targets


def values(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: metric["value"] for name, metric in metrics.items()}


def test_one_label_a_sample_is_reported_whole() -> None:
    said, targets = split()

    told = evaluate(
        said,
        targets,
        task="single",
        labels=["a", "b", "c"],
        baselines={"majority": majority(targets, 60, "single", 3)},
        before=said,
        config=FAST,
    )

    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["headline"] == "macro_f1"
    assert values(told["metrics"]) == measure(said, targets)
    assert set(told["baselines"]["majority"]) == set(told["metrics"])
    assert told["beats"] == {"majority": True, "simple": None}
    assert [row["label"] for row in told["per_class"]] == ["a", "b", "c"]
    assert np.sum(told["confusion"]) == told["samples"] == 60
    assert told["calibration"]["before"] == told["calibration"]["after"]
    assert told["metrics_with_twins"] is None
    assert told["left_out_twins"] == 0
    assert told["resampled"] == {"unit": "samples", "count": 60, "times": FAST.bootstrap}
    assert told["undefined"] == []


def test_many_labels_are_reported_whole() -> None:
    said, targets = split()
    truth = np.eye(3, dtype=np.int8)[targets]
    truth[:, 2] = 0

    told = evaluate(
        said, truth, task="multi", labels=["a", "b", "c"], thresholds=[0.4, 0.4, 0.4], config=FAST
    )

    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["headline"] == "average_precision"
    assert values(told["metrics"]) == measure(said, truth, [0.4, 0.4, 0.4])
    assert told["confusion"] is None
    assert told["undefined"] == ["c"]
    assert told["calibration"]["before"] is None


def test_twins_are_left_out_of_every_number_but_one_set() -> None:
    said, targets = split()
    fresh = np.arange(60) >= 20
    targets[:20] = said[:20].argmax(axis=1)  # the model knows its twins by heart
    beside = majority(targets, 60, "single", 3)

    told = evaluate(
        said,
        targets,
        task="single",
        labels=["a", "b", "c"],
        baselines={"majority": beside, "simple": said},
        before=said,
        headline=fresh,
        config=FAST,
    )

    assert values(told["metrics"]) == measure(said[fresh], targets[fresh])
    assert values(told["metrics_with_twins"]) == measure(said, targets)
    assert told["metrics_with_twins"]["accuracy"]["value"] > told["metrics"]["accuracy"]["value"]
    assert values(told["baselines"]["majority"]) == measure(beside[fresh], targets[fresh])
    assert (told["samples"], told["left_out_twins"]) == (40, 20)
    assert np.sum(told["confusion"]) == 40
    assert sum(row["support"] for row in told["per_class"]) == 40
    # the same draws for the same probabilities, and equal is not better
    assert told["baselines"]["simple"] == told["metrics"]
    assert told["beats"] == {"majority": True, "simple": False}


def test_nothing_is_claimed_when_all_samples_are_twins() -> None:
    said, targets = split()

    told = evaluate(
        said,
        targets,
        task="single",
        labels=["a", "b", "c"],
        baselines={"majority": said},
        headline=np.zeros(60, dtype=bool),
        config=FAST,
    )

    full = evaluate(said, targets, task="single", labels=["a", "b", "c"], config=FAST)
    assert set(told) == set(full)
    assert set(values(told["metrics"]).values()) == {None}
    assert told["metrics_with_twins"] == full["metrics"]
    assert told["beats"] == {"majority": False, "simple": None}
    assert (told["samples"], told["left_out_twins"]) == (0, 60)
    json.dumps(told, allow_nan=False)


def test_more_than_a_thousand_labels_have_no_table_of_confusions() -> None:
    labels = [str(number) for number in range(1001)]
    said = np.full((3, 1001), 1 / 1001)

    told = evaluate(said, np.array([0, 1, 1000]), task="single", labels=labels, config=FAST)

    assert told["confusion"] is None
    assert len(told["per_class"]) == 1001


def test_groups_are_drawn_whole_and_said() -> None:
    said, targets = split()
    arguments: Any = {"task": "single", "labels": ["a", "b", "c"], "config": FAST}

    grouped = evaluate(said, targets, groups=np.array([f"bird {i % 6}" for i in range(60)]), **arguments)

    assert grouped["resampled"] == {"unit": "groups", "count": 6, "times": FAST.bootstrap}
    assert grouped["metrics"] != evaluate(said, targets, **arguments)["metrics"]


def test_one_class_in_the_split_is_still_json() -> None:
    said, targets = split()

    told = evaluate(said, np.zeros_like(targets), task="single", labels=["a", "b", "c"], config=FAST)

    json.dumps(told, allow_nan=False)
    assert told["metrics"]["auroc"] == {"value": None, "low": None, "high": None}
    assert told["undefined"] == ["a", "b", "c"]


def test_every_array_that_does_not_fit_is_named() -> None:
    said, targets = split()

    with pytest.raises(
        ValueError, match=r"60 samples and 3 labels do not fit simple \(60, 2\), before \(59, 3\)"
    ):
        evaluate(
            said,
            targets,
            task="single",
            labels=["a", "b", "c"],
            baselines={"simple": said[:, :2]},
            before=said[:59],
        )
    with pytest.raises(ValueError, match="not those of a multi task"):
        evaluate(said, targets, task="multi", labels=["a", "b", "c"])


def test_an_evaluation_needs_numpy_only() -> None:
    program = """
import sys
for name in ("scipy", "sklearn", "torch", "pyarrow", "pandas"):
    sys.modules[name] = None
import numpy as np
from holdfast.evaluate import evaluate
told = evaluate(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), task="single", labels=["a", "b"])
print(told["metrics"]["accuracy"]["value"])
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "1.0", done.stderr
