"""What the evaluation of a model says in words."""

from holdfast.bundle import Manifest
from holdfast.bundle.facts import MOST_NAMED, limits, named
from holdfast.config.schema import ImagePrepare
from holdfast.testing.bundles import toy_evaluation


def _manifest() -> Manifest:
    return Manifest(
        modality="image",
        task="single",
        labels=["disc", "square"],
        prepare=ImagePrepare(size=8),
        provenance={},
    )


def test_each_limit_is_a_sentence_with_its_numbers() -> None:
    evaluation = toy_evaluation(value=0.8, simple=0.9) | {"undefined": ["disc"]}
    evaluation["per_class"][1]["support"] = 4

    assert limits(_manifest(), evaluation) == [
        "Nothing was measured on data of another origin than this dataset.",
        "It always gives one of its labels, also to what has none of them.",
        "Fewer than 30 held-out samples, so a rough number only: square (4).",
        "The held-out samples say nothing of: disc.",
        "No better than the simple features baseline: macro_f1 0.800 against 0.900.",
    ]


def test_a_model_that_was_never_evaluated_has_only_the_limits_of_all() -> None:
    assert len(limits(_manifest(), {})) == 2


def test_of_many_labels_the_first_are_named_and_the_others_counted() -> None:
    assert named([str(number) for number in range(MOST_NAMED + 1000)]).endswith(", 19 and 1,000 more")
