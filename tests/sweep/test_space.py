import pytest

from holdfast.config import Config, load_config
from holdfast.core.errors import ConfigError
from holdfast.sweep.dial import Dial
from holdfast.sweep.space import check_corners, keys_of, read_dials, split_overrides, type_of

CONFIG = Config()


def dials(*overrides: str) -> list[Dial]:
    return read_dials(split_overrides(overrides)[0], CONFIG)[0]


def test_splits_what_varies_from_what_does_not() -> None:
    varied, fixed = split_overrides(["optim.lr=1e-3", "model.width=16,32", "train.monitor=loss"])

    assert [item.key_or_group for item in varied] == ["model.width"]
    assert fixed == ["optim.lr=1e-3", "train.monitor=loss"]


@pytest.mark.parametrize(
    ("override", "dial"),
    [
        ("model.width=choice(16,32)", Dial("model.width", "choice", choices=(16, 32))),
        ("model.width=16,32", Dial("model.width", "choice", choices=(16, 32))),
        ("optim.name=choice(adamw,'sgd')", Dial("optim.name", "choice", choices=("adamw", "sgd"))),
        ("evaluate.baselines=true,false", Dial("evaluate.baselines", "choice", choices=(True, False))),
        ("train.max_minutes=null,5", Dial("train.max_minutes", "choice", choices=(None, 5))),
        ("train.max_minutes=interval(1,9)", Dial("train.max_minutes", "float", 1, 9)),
        ("model.width=interval(16,64)", Dial("model.width", "int", 16, 64)),
        ("model.width=tag(log,interval(16,64))", Dial("model.width", "int", 16, 64, log=True)),
        ("train.epochs=range(5,20,5)", Dial("train.epochs", "int", 5, 15, step=5)),
        ("train.epochs=range(1,2)", Dial("train.epochs", "choice", choices=(1,))),
        ("model.dropout=range(0.1,0.5,0.2)", Dial("model.dropout", "float", 0.1, 0.3, step=0.2)),
        ("model.dropout=interval(0,0.5)", Dial("model.dropout", "float", 0, 0.5)),
        ("optim.lr=interval(1e-5,1e-2)", Dial("optim.lr", "float", 1e-5, 1e-2, log=True)),
        ("optim.lr=interval(1e-3,5e-3)", Dial("optim.lr", "float", 1e-3, 5e-3)),
        ("optim.lr=tag(linear,interval(1e-5,1e-2))", Dial("optim.lr", "float", 1e-5, 1e-2)),
        ("optim.weight_decay=interval(0,0.1)", Dial("optim.weight_decay", "float", 0, 0.1)),
    ],
)
def test_reads_hydras_grammar(override: str, dial: Dial) -> None:
    assert dials(override) == [dial]
    assert [type(choice) for choice in dials(override)[0].choices] == [type(c) for c in dial.choices]


def test_says_aloud_that_a_rate_is_drawn_on_a_log_scale() -> None:
    varied, _ = split_overrides(["optim.lr=interval(1e-5,1e-2)", "model.dropout=interval(0.001,0.5)"])

    found, notes = read_dials(varied, CONFIG)

    assert [dial.log for dial in found] == [True, False]
    assert len(notes) == 1
    assert "optim.lr is drawn on a log scale, for it spans 3 powers of ten" in notes[0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lr=interval(1e-2,1e-5)", "optim.lr: the low end 0.01 is not below the high end 1e-05"),
        ("model.width=interval(16.5,32)", "model.width: is a whole number"),
        ("optim.name=interval(1,2)", r"optim.name: is not a number; write optim.name=choice\(…\)"),
        ("optim.warmpu=interval(0,1)", "optim.warmpu: unknown setting; did you mean 'warmup'?"),
        ("optin.lr=1,2", "optin.lr: unknown setting; did you mean 'optim'?"),
        ("optim.lr.x=1,2", "optim.lr.x: unknown setting"),
        ("optim=choice(a,b)", "optim: a group of settings; name one of them"),
        ("recipe=image,text", "recipe: chooses many settings at once"),
        ("optim.lr=glob(*)", "optim.lr: glob"),
        ("train.epochs=range(5,5)", r"train.epochs: range\(5,5,1\) holds nothing"),
        ("optim.lr=tag(lgo,interval(1,2))", "the tags lgo are not known"),
        ("optim.weight_decay=tag(log,interval(0,1))", "a log scale needs a low end above 0"),
        ("no override", "not an override"),
    ],
)
def test_says_what_is_wrong_with_a_dial(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dials(override)


def test_tells_every_problem_at_once() -> None:
    with pytest.raises(ConfigError, match="the sweep has 3 problems") as told:
        dials("optim.lrr=1,2", "model.width=interval(3,1)", "optim.lr=1,2", "optim.lr=interval(1,2)")

    assert "optim.lr: given more than once" in told.value.message


def test_a_value_that_no_training_accepts_is_refused_before_the_first() -> None:
    bad = dials("optim.lr=interval(-1,1)", "model.width=choice(8,16)", "optim.name=adamw,adam")

    with pytest.raises(ConfigError, match="the sweep has 3 problems") as told:
        check_corners(bad, CONFIG)

    assert "optim.name: expected 'adamw' or 'sgd', got 'adam'; did you mean 'adamw'?" in told.value.message
    assert "model.width: input should be greater than or equal to 16, got 8" in told.value.message


def test_a_combination_that_no_training_accepts_is_refused_too() -> None:
    audio = load_config(recipe="audio").config
    varied, _ = split_overrides(["prepare.window_s=1,5", "prepare.hop_s=interval(0.5,2)"])

    with pytest.raises(ConfigError, match=r"hop_s \(2.0\) is longer than window_s \(1.0\)"):
        check_corners(read_dials(varied, audio)[0], audio)


def test_of_a_large_space_not_every_corner_is_tried() -> None:
    many = [Dial(key, "choice", choices=tuple(range(16, 216))) for key in ("model.width", "train.batch")]

    check_corners(many, CONFIG)


def test_knows_what_each_setting_holds() -> None:
    assert {type_of(CONFIG, key) for key in keys_of(CONFIG) if key not in ("recipe", "size")} == {
        "int",
        "float",
        "bool",
        "other",
    }
    assert type_of(CONFIG, "train.max_minutes") == "float"
    assert type_of(CONFIG, "evaluate.baselines") == "bool"
