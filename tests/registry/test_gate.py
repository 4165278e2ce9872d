from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.bundle import Manifest
from holdfast.config.schema import GateConfig, ImagePrepare
from holdfast.registry import Shown, failures
from holdfast.testing.bundles import toy_evaluation

GATE = GateConfig(max_difference=1e-3, equal_labels=1.0)
PARITY = {"max_difference": 1e-6, "equal_labels": 1.0, "samples": 100}
share = st.floats(0, 1)


def shown(
    ref: str = "birds@2",
    *,
    labels: tuple[str, ...] = ("disc", "square"),
    parity: dict[str, float] | None = PARITY,
    fingerprint: str = "f",
    evaluation: dict[str, Any] | None = None,
    **levels: Any,
) -> Shown:
    """A model that passes the gate, but for what is said otherwise."""
    manifest = Manifest(
        task="single",
        modality="image",
        labels=list(labels),
        prepare=ImagePrepare(),
        provenance={"fingerprint": fingerprint},
        parity=parity,
    )
    return Shown(ref, manifest, toy_evaluation(**levels) if evaluation is None else evaluation)


def test_a_good_model_passes() -> None:
    assert failures(shown(), None, GATE) == []
    assert failures(shown(value=0.9), shown("birds@1", value=0.9), GATE) == []


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        (
            {"value": 0.7, "simple": 0.7},
            "macro_f1 of 0.7000 is only as good as the baseline of simple features",
        ),
        (
            {"value": 0.7, "simple": 0.8},
            "macro_f1 of 0.7000 is worse than the baseline of simple features, 0.8000",
        ),
        (
            {"value": 0.71, "majority": 0.71},
            "macro_f1 of 0.7100 is only as good as the majority baseline, 0.7100",
        ),
        (
            {"simple": None},
            "the baseline of simple features was not measured; train with evaluate.baselines=true",
        ),
    ],
)
def test_a_model_must_beat_both_baselines(levels: dict[str, Any], says: str) -> None:
    (reason,) = failures(shown(**levels), None, GATE)

    assert says in reason


def test_numbers_that_differ_are_shown_so_that_they_differ() -> None:
    (reason,) = failures(shown(value=0.70000001, simple=0.70000002), None, GATE)

    assert "0.70000001 is worse than the baseline of simple features, 0.70000002" in reason


def test_a_model_without_a_number_passes_nothing() -> None:
    nothing = toy_evaluation()
    nothing["metrics"]["macro_f1"] = {"value": None, "low": None, "high": None}

    for evaluation in (nothing, {}):
        (reason,) = failures(shown(evaluation=evaluation), None, GATE)
        assert "on held-out samples, so nothing shows what it can do" in reason


def test_labels_that_the_held_out_samples_say_nothing_of_are_named() -> None:
    two, many = toy_evaluation(), toy_evaluation()
    two["undefined"] = ["square", "star"]
    many["undefined"] = [f"label {number}" for number in range(1000)]

    assert failures(shown(evaluation=two), None, GATE) == [
        "nothing shows how well it tells these labels, which all or none of the held-out samples have: "
        "square, star"
    ]
    (reason,) = failures(shown(evaluation=many), None, GATE)
    assert reason.endswith("label 8, label 9 and 990 more")


def test_a_model_may_lie_within_the_champions_interval_but_not_below() -> None:
    champion = shown("birds@1", value=0.9, spread=0.03)

    assert failures(shown(value=0.871), champion, GATE) == []
    assert failures(shown(value=0.869), champion, GATE) == [
        "its macro_f1 of 0.8690 is worse than that of birds@1, 0.9000 (its interval begins at 0.8700)"
    ]


def test_without_an_interval_the_champions_value_is_the_bar() -> None:
    champion = shown("birds@1", value=0.9)
    champion.evaluation["metrics"]["macro_f1"] |= {"low": None, "high": None}

    assert failures(shown(value=0.9), champion, GATE) == []
    assert failures(shown(value=0.89), champion, GATE) == [
        "its macro_f1 of 0.8900 is worse than that of birds@1, 0.9000"
    ]


def test_a_comparison_on_other_data_says_so() -> None:
    champion = shown("birds@1", value=0.9, fingerprint="g")

    (reason,) = failures(shown(value=0.8), champion, GATE)

    assert reason.endswith("but the two were tested on different data")


def test_other_labels_are_named() -> None:
    champion = shown("birds@1", labels=("disc", "square", "star"))

    assert failures(shown(labels=("disc", "ring")), champion, GATE) == [
        "its labels are not those of birds@1: it lacks square, star and adds ring"
    ]
    assert failures(shown(labels=("square", "star", "disc")), champion, GATE) == []


def test_a_champion_without_the_metric_cannot_be_compared_with() -> None:
    (reason,) = failures(shown(), shown("birds@1", evaluation={}), GATE)

    assert "cannot be compared with birds@1: macro_f1 was not measured for both" in reason


@pytest.mark.parametrize(
    ("parity", "says"),
    [
        (None, "it has no parity report"),
        ({**PARITY, "samples": 0}, "it has no parity report"),
        (
            {**PARITY, "max_difference": 0.01},
            "differ by 0.01 in probability, more than gate.max_difference=0.001",
        ),
        ({**PARITY, "equal_labels": 0.99}, "to a share of 0.99, less than gate.equal_labels=1.0"),
        ({**PARITY, "max_difference": float("nan")}, "differ by None in probability"),
    ],
)
def test_the_graph_must_say_what_the_training_code_says(parity: dict[str, float] | None, says: str) -> None:
    (reason,) = failures(shown(parity=parity), None, GATE)

    assert says in reason


def test_all_reasons_are_given_at_once() -> None:
    champion = shown("birds@1", value=0.9)

    assert len(failures(shown(value=0.4, parity=None), champion, GATE)) == 4


@given(better=share, worse=share, simple=share, majority=share, champion=share, spread=share)
def test_a_better_model_never_has_more_against_it(
    better: float, worse: float, simple: float, majority: float, champion: float, spread: float
) -> None:
    worse, better = sorted((better, worse))
    beside: dict[str, Any] = {"simple": simple, "majority": majority}
    holder = shown("birds@1", value=champion, spread=spread)

    against = [len(failures(shown(value=value, **beside), holder, GATE)) for value in (worse, better)]

    assert against[1] <= against[0]


@given(value=share, simple=share, majority=share)
def test_what_passes_is_better_than_both_baselines(value: float, simple: float, majority: float) -> None:
    passes = not failures(shown(value=value, simple=simple, majority=majority), None, GATE)

    assert passes == (value > simple and value > majority)


@pytest.mark.parametrize(
    ("points", "passes"), [(-0.4, True), (-0.5, True), (-0.6, False), (None, False), (1.2, True)]
)
def test_an_optimised_graph_may_differ_but_not_lose_more_than_its_budget(
    points: float | None, passes: bool
) -> None:
    optimized = {"original": "birds@1", "budget": 0.5, "difference": {"points": points}}
    parity = {"max_difference": 0.08, "equal_labels": 0.98, "samples": 400}

    found = failures(
        shown(parity=parity, evaluation={**toy_evaluation(), "optimized": optimized}), None, GATE
    )

    assert found == ([] if passes else [f"it loses {points} points of birds@1, and its budget was 0.5"])
