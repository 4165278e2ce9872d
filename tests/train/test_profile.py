"""Where the time goes."""

import json
import time

import pytest

from holdfast.train import fit
from holdfast.train.profile import OFF, TRACE, Profile, advice


def test_a_profiled_training_says_where_its_time_went_and_leaves_a_trace(toy, new_run) -> None:
    data = toy("image")
    config = data.config("train.profile=true", "train.epochs=2")
    with new_run() as run:
        fit(config, data.version, data.preparation(config), run)

        told = run.info.facts["profile"]
        seconds = told["seconds"]
        assert set(seconds) == {"data", "forward", "backward", "step", "rest"}
        assert min(seconds.values()) >= 0
        assert seconds["backward"] > 0
        assert told["advice"]
        names = {
            event.get("name", "") for event in json.loads((run.folder / TRACE).read_text())["traceEvents"]
        }
        assert any("conv" in name for name in names)


def test_weights_are_the_same_with_and_without(toy, new_run) -> None:
    data = toy("image")
    losses = []
    for key, setting in (("with", "true"), ("without", "false")):
        config = data.config("train.epochs=1", f"train.profile={setting}")
        with new_run(key) as run:
            losses.append(fit(config, data.version, data.preparation(config), run).best)

    assert losses[0] == losses[1]


def test_waiting_for_slow_batches_counts_as_data(tmp_path) -> None:
    profile = Profile(tmp_path)

    for _ in profile.waiting(iter(slowly(5))):
        pass

    assert profile.report()["seconds"]["data"] >= 0.1


def slowly(count: int):
    for number in range(count):
        time.sleep(0.02)
        yield number


def test_turned_off_it_says_nothing() -> None:
    with OFF.phase("forward"):
        pass

    assert list(OFF.waiting([1, 2])) == [1, 2]
    assert OFF.report() is None


@pytest.mark.parametrize(
    ("phase", "words"),
    [("data", "train.workers"), ("rest", "checkpoint_s"), ("step", "train.batch"), ("backward", "precision")],
)
def test_the_advice_fits_the_phase_that_takes_most(phase: str, words: str) -> None:
    seconds = dict.fromkeys(("data", "forward", "backward", "step", "rest"), 1.0) | {phase: 50.0}

    assert words in advice(seconds)
