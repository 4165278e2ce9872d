from holdfast.bundle import Manifest, write_card
from holdfast.config.schema import ImagePrepare
from holdfast.testing.bundles import toy_evaluation, toy_provenance


def test_says_what_was_measured_beside_the_baselines() -> None:
    card = write_card(_manifest(), {**toy_evaluation(), "left_out_twins": 7}, {"train": 70, "test": 20})

    assert card.startswith("# toy\n\nGives pictures one label out of 2: disc, square.")
    assert "- dataset: toy@1\n" in card
    assert "- fingerprint: `ffff" in card
    assert "- samples: 70 train, 20 test\n" in card
    assert "7 held-out samples whose exact copy is in training" in card
    assert "| metric | model | majority | simple features |" in card
    assert (
        "| **macro_f1** | 0.900 (0.870 to 0.930) | 0.500 (0.470 to 0.530) | 0.700 (0.670 to 0.730) |" in card
    )
    assert "error: 0.080 before and 0.030 after calibration, at temperature 1.5." in card
    assert "- run: `toy-20260101-000000-0000`" in card
    assert "No better than" not in card


def test_says_so_where_a_simple_model_is_as_good_and_where_samples_are_few() -> None:
    evaluation = toy_evaluation(value=0.8, simple=0.8)
    evaluation["per_class"][1]["support"] = 4

    card = write_card(_manifest(), evaluation, {})

    assert "- No better than the simple features baseline: macro\\_f1 0.800 against 0.800." in card
    assert "rough number only: square (4)." in card


def test_of_thousands_of_labels_the_best_and_the_worst_are_shown_and_the_others_counted() -> None:
    names = [f"label {number:04}" for number in range(5000)]
    evaluation = toy_evaluation(labels=names)
    for number, row in enumerate(evaluation["per_class"]):
        row |= {"f1": None if number >= 4990 else number / 5000, "support": number}
    manifest = _manifest().model_copy(update={"labels": names})

    card = write_card(manifest, evaluation, {})

    assert len(card) < 5000
    assert "out of 5000: label 0000, label 0001" in card
    assert "label 0019 and 4,980 more." in card
    shown = [
        line.split()[2] for line in card.splitlines() if line.startswith("| label 0") or "| label 4" in line
    ]
    assert shown == [*(f"{4989 - n:04}" for n in range(10)), *(f"{9 - n:04}" for n in range(10))]
    assert "of 5,000 labels; 4,980 others, of which 10 have no F1, are in evaluation.json." in card
    assert "rough number only: label 0000 (0), label 0001 (1)" in card
    assert "label 0019 (19) and 10 more." in card


def test_says_nothing_about_what_is_not_known() -> None:
    bare = Manifest(task="multi", modality="image", labels=["a"], prepare=ImagePrepare())

    card = write_card(bare, {"metrics": {"auroc": {"value": None, "low": None, "high": None}}}, {})

    assert "| auroc | – |" in card
    assert "None" not in card
    assert "## Provenance" not in card
    assert "## Data" not in card


def test_a_label_cannot_become_markup() -> None:
    manifest = Manifest(task="single", modality="image", labels=["<b>|x|\n# y"], prepare=ImagePrepare())

    assert r"out of 1: \<b\>\|x\| \# y." in write_card(manifest, {}, {})


def _manifest() -> Manifest:
    return Manifest(
        task="single",
        modality="image",
        labels=["disc", "square"],
        prepare=ImagePrepare(),
        provenance=toy_provenance(),
        parity={"max_difference": 2e-7, "equal_labels": 1.0},
    )
