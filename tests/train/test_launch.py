"""Several processes train one run: as one would, and none is left behind, however they end."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from holdfast.core.errors import ConfigError, HoldfastError, TeamError
from holdfast.core.files import read_json
from holdfast.tracking import Run, open_run
from holdfast.train import Fit, fit
from holdfast.train.device import Device
from holdfast.train.job import Job
from holdfast.train.launch import launched, outside

_TOGETHER = ("launch.processes=2", "train.epochs=2", "train.checkpoint_s=0")
_ALL_AT_ONCE = (
    *_TOGETHER,
    "device.precision=bf16",
    "train.workers=2",
    "train.sampler=weighted",
    "train.ema=0.9",
    "augment.mixup=0.2",
    "model.dropout=0.3",
)


def train(toy, run: Run, *overrides: str, on_epoch: Callable[..., None] | None = None) -> Fit:
    config = toy.config(*overrides)
    return fit(config, toy.version, toy.preparation(config), run, on_epoch=on_epoch)


def digests(folder: Path) -> list[str]:
    """Of the last step's weights and moments, and of the best epoch's weights."""
    return [read_json(folder / "checkpoints" / f"{name}.json")["sha256"] for name in ("last", "best")]


def last_weights(run: Run) -> dict[str, torch.Tensor]:
    (path,) = (run.folder / "checkpoints").glob("last-*.safetensors")
    return {name: tensor for name, tensor in load_file(path).items() if name.startswith("model.")}


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory) -> list[str]:
    """What two processes end at that nobody interrupts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with open_run(folder, name="toy", key="key", details={"config": {}, "dataset": "toy@1"}) as run:
        train(toy("image"), run, *_ALL_AT_ONCE)
        return digests(run.folder)


def test_two_processes_end_where_one_does(toy, new_run) -> None:
    data, one, two = toy("image"), new_run("one"), new_run("two")
    plain = (
        "optim.name=sgd",
        "optim.lr=1e-3",
        "train.sampler=weighted",
        "train.batch=9",
        "model.dropout=0.3",
    )

    alone, together = train(data, one, *plain), train(data, two, *plain, "launch.processes=2")

    assert together.steps == alone.steps
    assert together.best == pytest.approx(alone.best, abs=1e-6)
    weights = last_weights(two)
    for name, tensor in last_weights(one).items():
        assert torch.allclose(weights[name], tensor, rtol=1e-6, atol=1e-6), name


def test_both_processes_killed_and_started_again_end_at_the_same_weights(toy, undisturbed, tmp_path) -> None:
    data, runs = toy("image"), tmp_path / "runs"
    script = Path(__file__).with_name("train_once.py")
    arguments = [str(data.store), "image", str(runs), *data.settings, *_ALL_AT_ONCE]
    process = subprocess.Popen([sys.executable, str(script), *arguments])
    while not list(runs.glob("*/checkpoints/last.json")):
        assert process.poll() is None
        time.sleep(0.005)
    followers = psutil.Process(process.pid).children()

    process.kill()
    process.wait()
    wait_for_the_end_of(followers)
    (checkpoint,) = runs.glob("*/checkpoints/last.json")
    step = read_json(checkpoint)["state"]["step"]
    with open_run(runs, name="image", key="key", details={}) as run:
        train(data, run, *_ALL_AT_ONCE)

    assert len(followers) == 1
    assert 0 < step < 2 * 7
    assert run.resumed
    assert digests(run.folder) == undisturbed


def wait_for_the_end_of(processes: list[psutil.Process]) -> None:
    """Returns when they have ended; whether somebody has collected what is left of them does not matter."""
    for process in processes:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)


def test_a_follower_that_is_killed_ends_the_training_which_can_be_taken_up(toy, undisturbed, new_run) -> None:
    data, run = toy("image"), new_run()

    others = psutil.Process().children()  # such as the driver of a browser

    def followers() -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if child not in others]

    def kill(epoch: int, values: dict[str, float]) -> None:
        for follower in followers():
            follower.kill()

    with pytest.raises(TeamError, match=r"process 2 of 2 was killed by signal 9") as error:
        train(data, run, *_ALL_AT_ONCE, on_epoch=kill)
    train(data, run, *_ALL_AT_ONCE)

    assert "run the same command again" in str(error.value)
    assert digests(run.folder) == undisturbed
    assert not followers()


def test_what_a_follower_cannot_read_is_said(toy, tmp_path) -> None:
    data = toy("image")
    config = data.config("launch.processes=2")
    job = Job(
        config, data.version, data.preparation(config), Device(torch.device("cpu"), "fp32", 1), tmp_path
    )

    class Elsewhere(Job):
        def to_json(self) -> str:
            return job.to_json().replace(str(data.store), str(tmp_path))

    with pytest.raises(HoldfastError, match="no dataset 'image'"), launched(Elsewhere(**vars(job))):
        pytest.fail("it came together")


def test_too_many_processes_for_a_batch_are_refused(toy, new_run) -> None:
    with pytest.raises(ConfigError, match="3 processes cannot share a batch of 2"):
        train(toy("image"), new_run(), "launch.processes=3", "train.batch=2")


def test_another_number_than_torchrun_started_is_refused(toy, new_run, monkeypatch) -> None:
    started_by_torchrun(monkeypatch, rank=0, size=2)

    with pytest.raises(ConfigError, match=r"launch.processes is 1, but WORLD_SIZE says that 2 were started"):
        train(toy("image"), new_run())


def test_knows_its_place_among_those_that_torchrun_started(monkeypatch) -> None:
    assert outside() is None
    started_by_torchrun(monkeypatch, rank=1, size=2)

    team = outside()

    assert team is not None
    assert (team.rank, team.size, team.leads) == (1, 2, False)


def test_several_machines_are_refused(monkeypatch) -> None:
    started_by_torchrun(monkeypatch, rank=0, size=4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")

    with pytest.raises(ConfigError, match="of 4 processes only 2 are on this machine"):
        outside()


def started_by_torchrun(monkeypatch: pytest.MonkeyPatch, *, rank: int, size: int) -> None:
    told = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
