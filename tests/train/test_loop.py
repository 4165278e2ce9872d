"""The training loop: it learns, it stops, and it goes on where it was killed."""

import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from holdfast.config import Config
from holdfast.core.errors import DataError, HoldfastError
from holdfast.core.files import read_json
from holdfast.evaluate import measure
from holdfast.tracking import Run, open_run
from holdfast.train import Fit, fit, load_best, loop


def digests(run: Run) -> tuple[str, str]:
    """Of the weights and moments of the last step, and of the weights of the best epoch."""
    folder = run.folder / "checkpoints"
    return read_json(folder / "last.json")["sha256"], read_json(folder / "best.json")["sha256"]


def train(toy, run: Run, *overrides: str) -> Fit:
    config = toy.config(*overrides)
    return fit(config, toy.version, toy.preparation(config), run)


def cut_short_at(steps: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each, the training is interrupted when it comes to these steps."""
    learn, left = loop.learn, set(steps)

    def interrupted(*args, step: int, **named):
        if step in left:
            left.remove(step)
            raise KeyboardInterrupt
        return learn(*args, step=step, **named)

    monkeypatch.setattr(loop, "learn", interrupted)


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [
        ("image", ["train.epochs=8"]),
        ("attributes", ["train.epochs=12", "train.sampler=weighted"]),
        ("audio", ["train.epochs=24"]),
        ("text", ["train.epochs=12", "augment.cutmix=0.2", "optim.lr=2e-2"]),
    ],
)
def test_learns_each_kind_of_toy(kind, overrides, toy, new_run) -> None:
    data = toy(kind)
    run = new_run()

    result = train(data, run, "optim.lr=5e-3", *overrides)

    headline = "average_precision" if kind == "attributes" else "macro_f1"
    assert result.best[headline] >= 0.9
    epochs = [line for line in run.metrics() if "epoch" in line]
    assert [line["epoch"] for line in epochs] == list(range(1, result.epochs + 1))
    assert epochs[int(result.best["epoch"]) - 1][headline] == result.best[headline]
    assert epochs[-1]["step"] == result.steps


def test_the_best_weights_give_the_best_metrics_again(toy, new_run) -> None:
    data, run = toy("image"), new_run()
    config = data.config("train.epochs=4")
    preparation = data.preparation(config)
    best = fit(config, data.version, preparation, run).best

    model = load_best(run.folder, config, data.version, preparation)

    rows = data.version.indices("valid", headline=True)
    pixels = np.concatenate([preparation.decode(data.version.read(int(row))) for row in rows])
    with torch.no_grad():
        probabilities = model(torch.from_numpy(pixels))[0].double().softmax(1).numpy()
    again = measure(probabilities, data.version.targets[rows])
    assert again["macro_f1"] == best["macro_f1"]
    assert again["log_loss"] == pytest.approx(best["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [
        ("image", ["augment.mixup=0.3", "train.sampler=weighted", "model.dropout=0.4"]),
        ("image", ["augment.mixup=0.3", "augment.cutmix=1", "train.ema=0.9", "train.workers=3"]),
        ("image", ["device.precision=bf16", "train.ema=0.9"]),
        ("attributes", ["optim.name=sgd", "optim.lr=0.05", "optim.schedule=linear"]),
        ("audio", ["augment.mixup=0.3"]),
        ("text", ["train.patience=1"]),
        ("bytes", []),
    ],
)
def test_a_training_that_was_cut_short_ends_at_the_same_weights(
    kind, overrides, toy, new_run, monkeypatch
) -> None:
    data = toy(kind)
    undisturbed = new_run("undisturbed")
    expected = train(data, undisturbed, *overrides)
    per_epoch = expected.steps // expected.epochs
    steps = {1, per_epoch - 1, per_epoch, per_epoch + 1, 2 * per_epoch}
    cut_short_at(steps, monkeypatch)

    run = new_run("disturbed")
    for _ in steps:
        with pytest.raises(KeyboardInterrupt):
            train(data, run, *overrides, "train.checkpoint_s=0")
    result = train(data, run, *overrides, "train.checkpoint_s=0")

    assert digests(run) == digests(undisturbed)
    assert result.best == expected.best
    assert run.metrics() == undisturbed.metrics()


def test_a_training_that_goes_on_keeps_what_it_was_primed_with(toy, new_run, monkeypatch) -> None:
    data, run = toy("bytes"), new_run()
    cut_short_at({3}, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(data, run, "train.checkpoint_s=0")

    monkeypatch.setattr(loop, "prime", lambda *_: pytest.fail("primed again"))
    result = train(data, run)

    assert result.epochs == 3
    config = data.config()
    best = load_best(run.folder, config, data.version, data.preparation(config))
    assert (best.body.telling != 1).any()


def test_no_line_is_logged_twice_or_lost(toy, new_run, monkeypatch) -> None:
    data, undisturbed, run = toy("image"), new_run("undisturbed"), new_run("disturbed")
    steps = train(data, undisturbed).steps
    assert steps // 3 == 7  # so that step 10 is logged after the first epoch's checkpoint, and 12 comes later
    cut_short_at({12}, monkeypatch)

    with pytest.raises(KeyboardInterrupt):
        train(data, run)
    monkeypatch.setattr(loop, "save_best", interrupt)  # an epoch is logged, but not yet in a checkpoint
    with pytest.raises(KeyboardInterrupt):
        train(data, run, "train.checkpoint_s=0", "train.monitor=loss")
    monkeypatch.undo()
    train(data, run, "train.checkpoint_s=0")

    assert run.metrics() == undisturbed.metrics()


def interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def test_a_training_that_is_killed_ends_at_the_same_weights(toy, new_run, tmp_path) -> None:
    data, undisturbed = toy("image"), new_run()
    overrides = ["train.epochs=6", "augment.mixup=0.2"]
    train(data, undisturbed, *overrides)
    script, runs = Path(__file__).with_name("train_once.py"), tmp_path / "killed"

    arguments = [str(data.store), "image", str(runs), *data.settings, *overrides, "train.checkpoint_s=0"]

    process = subprocess.Popen([sys.executable, str(script), *arguments])
    while not list(runs.glob("*/checkpoints/last.json")) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    assert process.wait() != 0, "it ended before it was killed"
    with open_run(runs, name="image", key="key", details={}) as run:
        train(data, run, *overrides)

    assert run.resumed
    assert digests(run) == digests(undisturbed)


def test_a_finished_training_is_not_done_again(toy, new_run, monkeypatch) -> None:
    data, run = toy("image"), new_run()
    first = train(data, run)
    monkeypatch.setattr(loop, "learn", lambda *args, **named: pytest.fail("it learnt"))

    assert train(data, run) == first


def test_stops_when_nothing_gets_better(toy, new_run) -> None:
    result = train(toy("image"), new_run(), "train.patience=2", "train.epochs=9", "optim.lr=1e-9")

    assert result.stopped_early
    assert result.epochs == result.best["epoch"] + 2


def test_picks_the_epoch_by_the_metric_that_is_monitored(toy, new_run) -> None:
    run = new_run()

    result = train(toy("image"), run, "train.monitor=loss", "train.epochs=5")

    losses = [line["loss"] for line in run.metrics() if "epoch" in line]
    assert result.best["loss"] == min(losses)
    assert result.best["epoch"] == 1 + losses.index(min(losses))


def test_a_loss_that_is_no_number_ends_the_training_and_says_why(toy, new_run) -> None:
    with pytest.raises(
        HoldfastError, match=r"the loss is (nan|inf) at step \d+ of epoch \d: training has"
    ) as error:
        train(toy("image"), new_run(), "optim.name=sgd", "optim.lr=1e30", "optim.clip=0", "optim.warmup=0")

    assert "smaller optim.lr (now 1e+30)" in str(error.value)


def test_a_sample_that_cannot_be_decoded_is_named(toy, new_run) -> None:
    with pytest.raises(DataError, match=r"\.png: image of 16 × 16 pixels"):
        train(toy("image"), new_run(), "prepare.max_pixels=100")


def test_labels_with_too_few_samples_are_all_named(toy, new_run) -> None:
    with pytest.raises(DataError) as error:
        train(toy("image"), new_run(), "train.min_samples=1000")

    assert "image has fewer than 1000 samples to train on of these labels: narrow " in str(error.value)
    assert "or lower train.min_samples" in str(error.value)


def test_says_how_many_windows_were_left_out(toy, new_run) -> None:
    run = new_run()

    train(toy("audio"), run, "prepare.min_rms=0.9", "train.epochs=1")

    facts = run.info.facts
    assert facts["windows"] == facts["windows_too_quiet"] > 0
    assert facts["recordings_kept_for_their_loudest_window"] == len(toy("audio").version.indices("train"))


def test_leaves_torch_as_it_was(toy, new_run) -> None:
    def settings() -> tuple[object, ...]:
        return torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.initial_seed()

    before, state = settings(), torch.get_rng_state()

    train(toy("image"), new_run(), "train.epochs=1")

    assert settings() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_says_what_it_ran_on(toy, new_run) -> None:
    run = new_run()

    result = train(toy("image"), run, "device.name=cpu", "train.epochs=1")

    assert (result.device, result.precision, result.threads) == ("cpu", "fp32", 1)
    assert run.info.facts["threads"] == 1


def test_shorter_numbers_learn_too(toy, new_run) -> None:
    result = train(toy("image"), new_run(), "device.precision=bf16", "train.epochs=8", "optim.lr=5e-3")

    assert result.best["macro_f1"] >= 0.9


def test_best_weights_are_missed_before_the_first_epoch_ends(toy, tmp_path) -> None:
    data = toy("image")
    config: Config = data.config()

    with pytest.raises(HoldfastError, match="holds no finished epoch"):
        load_best(tmp_path, config, data.version, data.preparation(config))


def test_calls_back_after_each_epoch(toy, new_run) -> None:
    data, seen = toy("image"), []
    config = data.config("train.epochs=2")

    def note(epoch: int, values: dict[str, float]) -> None:
        seen.append((epoch, math.isfinite(values["train_loss"])))

    fit(config, data.version, data.preparation(config), new_run(), on_epoch=note)

    assert seen == [(1, True), (2, True)]
