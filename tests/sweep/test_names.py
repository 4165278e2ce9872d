import pytest

from holdfast.config import Config, load_config
from holdfast.sweep.names import ALIASES, key_for, metric_for
from holdfast.sweep.space import keys_of

CONFIG = Config()


def test_no_other_name_means_two_settings() -> None:
    others = [other for names in ALIASES.values() for other in names.split()]

    assert len(others) == len(set(others))
    assert key_for("nothing", CONFIG) is None
    assert key_for("name", CONFIG) is None  # of a model or of an optimizer?
    assert key_for("training.momentum", CONFIG) == "optim.momentum"
    assert key_for("prepare.mels", CONFIG) is None  # a picture has none


def test_every_name_means_a_setting_that_there_is() -> None:
    known = {
        key for recipe in ("image", "audio", "text") for key in keys_of(load_config(recipe=recipe).config)
    }

    assert set(ALIASES) <= known


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("val_loss", "loss"),
        ("validation/accuracy", "accuracy"),
        ("eval.f1", "macro_f1"),
        ("macro_f1", "macro_f1"),
        ("val_mAP", "average_precision"),
        ("train_loss", None),
        ("test_accuracy", None),
        ("reward", None),
    ],
)
def test_a_metric_is_one_of_the_validation_split(theirs: str, ours: str | None) -> None:
    assert metric_for(theirs) == ours
