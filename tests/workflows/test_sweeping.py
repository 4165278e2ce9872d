import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast.cli.app import app
from holdfast.config import load_config
from holdfast.core.errors import ConfigError, DataError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions, ingest, open_version
from holdfast.modality import probe
from holdfast.sweep.trials import Trials
from holdfast.testing.toys import write_images
from holdfast.tracking import list_runs
from holdfast.workflows import sweeping
from holdfast.workflows.planning import Options
from holdfast.workflows.sweeping import sweep
from holdfast.workflows.training import config_for

QUICK = [
    *("prepare.size=8", "train.epochs=2", "train.batch=16", "device.threads=1"),
    *("evaluate.bootstrap=20", "evaluate.baselines=false"),
]
RATES = "optim.lr=interval(1e-4,1e-2)"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "home")
    source = write_images(tmp_path / "shapes", per_class=12, size=16)
    ingest(source, workspace.datasets, "shapes", options=SourceOptions(), probe=probe)
    return workspace


def swept(workspace: Workspace, *overrides: str, **options: Any) -> dict[str, Any]:
    return sweep("shapes", workspace, overrides=[*QUICK, *overrides], options=Options(**options))


def test_each_trial_is_a_run_and_the_best_in_validation_can_be_registered(workspace: Workspace) -> None:
    result = swept(workspace, "model.width=choice(16,24)", "optim.lr=1e-3,1e-2", register=True)

    assert result["method"] == "grid"
    assert result["counts"] == {"finished": 4, "pruned": 0, "failed": 0, "running": 0}
    runs = {info.id: info for info in list_runs(workspace.runs)}
    for trial in result["trials"]:
        info = runs[trial["run"]]
        assert (info.status, info.facts["sweep"], info.facts["trial"]) == (
            "finished",
            result["sweep"],
            trial["number"],
        )
        assert info.facts["settings"] == trial["settings"]
        assert info.facts["validation"]["macro_f1"] == trial["value"]
        assert info.metrics == {}  # of the test split: nothing was measured
    assert result["best"]["value"] == max(trial["value"] for trial in result["trials"])
    assert result["registered"]["model"] == "shapes@1"
    kept = [trial["number"] for trial in result["trials"] if has_weights(workspace, trial["run"])]
    assert kept == [result["best"]["number"]]
    best, trained = result["best"]["run"], result["registered"]["run"]
    assert weights(workspace, trained) == weights(workspace, best)
    json.dumps(result, allow_nan=False)


def test_a_sweep_says_once_what_is_doubtful_with_its_data(workspace: Workspace) -> None:
    said: list[str] = []

    result = sweep(
        "shapes",
        workspace,
        overrides=[*QUICK, "train.epochs=1", "model.width=choice(16,24)", "augment.drop_tokens=0.1"],
        options=Options(register=True),
        warn=said.append,
    )

    titles = [finding["title"] for finding in result["findings"]]
    assert "labels with few samples in test" in titles
    assert [line.partition(":")[0] for line in said] == titles
    assert [note.split()[0] for note in result["notes"] if "no effect" in note] == ["augment.drop_tokens"]


def weights(workspace: Workspace, run: str) -> bytes:
    (path,) = (workspace.runs / run).glob("checkpoints/best*.safetensors")
    return path.read_bytes()


def has_weights(workspace: Workspace, run: str) -> bool:
    return bool(list((workspace.runs / run).glob("checkpoints/best*")))


def test_the_command_that_is_told_has_the_settings_of_the_best(workspace: Workspace) -> None:
    result = swept(workspace, RATES, "model.name=choice(resnet_small)", trials=2)

    program, command, dataset, *overrides = shlex.split(result["command"])
    assert (program, command, dataset) == ("holdfast", "train", "shapes@1")
    with open_version(workspace.datasets, parse_ref(dataset)) as version:
        config = config_for(version, workspace, overrides, None)
    stored = load_config(files=[workspace.runs / result["best"]["run"] / "config.yaml"]).config
    assert config == stored


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_sweep_goes_on_and_ends_as_if_it_had_not_been(workspace: Workspace) -> None:
    args = ["sweep", "shapes", *QUICK, RATES, "--trials", "3", "--home", str(workspace.home)]
    whole = swept(workspace, RATES, trials=3, name="whole")
    with subprocess.Popen([sys.executable, "-m", "holdfast", *args], stdout=subprocess.DEVNULL) as process:
        while len(list(workspace.runs.glob("*/metrics.jsonl"))) < 5 and process.poll() is None:
            time.sleep(0.01)  # until the second trial has begun to learn
        process.kill()
    assert process.returncode < 0, "it ended before it was killed"
    left = [info.status for info in list_runs(workspace.runs)]

    result = swept(workspace, RATES, trials=3)

    assert "interrupted" in left
    assert "interrupted" not in [info.status for info in list_runs(workspace.runs)]
    assert [(t["settings"], t["value"], t["curve"]) for t in result["trials"]] == [
        (t["settings"], t["value"], t["curve"]) for t in whole["trials"]
    ]


def test_two_terminals_and_a_worker_begin_at_once_and_share_the_trials(workspace: Workspace) -> None:
    args = ["sweep", "shapes", *QUICK, RATES, "--trials", "6", "--json", "--home", str(workspace.home)]
    command = [sys.executable, "-m", "holdfast", *args]

    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    here = swept(workspace, RATES, trials=6, workers=2)
    there = json.loads(other.communicate()[0])

    assert other.returncode == 0
    assert here["sweep"] == there["sweep"]
    done = swept(workspace, RATES, trials=6)
    assert done["counts"] == {"finished": 6, "pruned": 0, "failed": 0, "running": 0}
    assert len({trial["run"] for trial in done["trials"]}) == 6
    assert statuses(workspace) == ["finished"] * 6


def test_a_trial_that_falls_behind_is_cut_and_its_run_says_so(
    workspace: Workspace,
) -> None:
    rates = "optim.lr=choice(1e-3,1e-3,1e-3,1e-3,1e-3,3)"
    result = swept(workspace, rates, "train.epochs=4", "train.monitor=loss")

    last = result["trials"][-1]
    assert last["state"] == "pruned"
    (info,) = [info for info in list_runs(workspace.runs) if info.id == last["run"]]
    assert info.status == "pruned"
    assert "fell behind" in (info.reason or "")
    assert last["epochs"] < 4


def test_a_diverged_trial_is_recorded_and_the_sweep_goes_on(workspace: Workspace) -> None:
    result = swept(workspace, "optim.lr=choice(1e30,1e-3)", "optim.clip=0", "optim.warmup=0")

    assert [trial["state"] for trial in result["trials"]] == ["failed", "finished"]
    assert "diverged" in result["trials"][0]["reason"]
    assert result["best"]["number"] == 1
    assert [info.status for info in list_runs(workspace.runs)] == ["finished", "failed"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory")])
def test_a_trial_without_memory_is_recorded_and_the_sweep_goes_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def no_memory(*args: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(sweeping, "fit", no_memory)
    result = swept(workspace, RATES, trials=2)

    assert result["counts"]["failed"] == 2
    assert result["best"] is None


def test_a_configuration_error_stops_the_sweep(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="no network 'resnet_smal'"):
        swept(workspace, "model.name=choice(resnet_smal,resnet_small,nothing)")

    (folder,) = workspace.sweeps.iterdir()
    definition = sweeping.Definition.read(folder)
    assert [trial.state for trial in Trials(folder, definition.plan).all()] == ["failed"]


def test_nothing_is_written_for_a_sweep_that_cannot_be(workspace: Workspace) -> None:
    for overrides, message in (
        (["optim.lr=interval(-1,1)"], "optim.lr: input should be greater than 0"),
        (["optim.lr=1e-3"], "nothing varies"),
    ):
        with pytest.raises(ConfigError, match=message):
            swept(workspace, *overrides)

    assert not workspace.sweeps.exists()
    assert list_runs(workspace.runs) == []


def test_a_named_sweep_is_not_mixed_with_another_of_the_name(workspace: Workspace) -> None:
    swept(workspace, "optim.lr=choice(1e-3,1e-2)", name="rates", trials=1)

    with pytest.raises(ConfigError, match=r"sweep rates has 1 problem:\n  plan: not as it was"):
        swept(workspace, "optim.lr=choice(1e-3,1e-4)", name="rates")
    assert len(swept(workspace, "optim.lr=choice(1e-3,1e-2)", name="rates", trials=2)["trials"]) == 2


def test_a_grid_over_an_interval_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"a grid needs values that can be counted, but optim.lr has none"):
        swept(workspace, RATES, method="grid")


def test_a_sweep_file_of_wandb_is_run_as_it_is(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        """
program: train.py
method: grid
metric: {name: val_loss, goal: minimize}
parameters:
  lr: {values: [0.001, 0.01]}
  batch_size: {value: 8}
  epochs: {value: 1}
  hidden_dim: {values: [16, 24]}
"""
    )

    args = ["sweep", "shapes", "prepare.size=8", "device.threads=1", "optim.lr=1e-3", "--json"]
    home = ["--home", str(workspace.home)]
    result = json.loads(CliRunner().invoke(app, [*args, str(file), *home]).stdout)
    again = json.loads(CliRunner().invoke(app, [*args, *home, "--config", str(file)]).stdout)

    assert again["sweep"] == result["sweep"]
    assert [trial["settings"] for trial in result["trials"]] == [{"model.width": 16}, {"model.width": 24}]
    assert (result["metric"], result["goal"]) == ("loss", "minimize")
    assert result["best"]["value"] == min(trial["value"] for trial in result["trials"])
    assert "train.monitor=loss" in result["command"]
    assert "train.batch=8" in result["command"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_workers_end_with_the_process_that_started_them(workspace: Workspace) -> None:
    args = ["sweep", "shapes", *QUICK, RATES, "train.epochs=500", "--workers", "2"]
    command = [sys.executable, "-m", "holdfast", *args, "--home", str(workspace.home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while len(list(workspace.runs.glob("*/metrics.jsonl"))) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.kill()

    while statuses(workspace) != ["interrupted", "interrupted"]:  # or the test's time is over
        time.sleep(0.05)


def statuses(workspace: Workspace) -> list[str]:
    return [info.status for info in list_runs(workspace.runs)]


def test_a_worker_that_ends_early_is_told_and_its_trials_are_done_by_others(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweeping, "_WORKER", "import sys; sys.exit(3)")

    result = swept(workspace, RATES, trials=2, workers=2)

    assert result["counts"]["finished"] == 2
    assert "worker 1 ended with code 3: see " in capsys.readouterr().err


def test_a_sweep_in_which_nothing_finished_ends_with_1(workspace: Workspace) -> None:
    args = ["optim.lr=choice(1e30,1e31)", "optim.clip=0", "optim.warmup=0", "--home", str(workspace.home)]

    done = CliRunner().invoke(app, ["sweep", "shapes", *QUICK, *args])

    assert done.exit_code == 1
    assert "2 failed" in done.stdout
    assert "best      none" in done.stdout


def test_a_space_without_validation_samples_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    source = write_images(tmp_path / "shapes", per_class=6, size=16)
    ingest(source, workspace.datasets, "shapes", options=SourceOptions(valid_share=0), probe=probe)

    with pytest.raises(DataError, match="shapes@1 has no samples to validate on"):
        swept(workspace, RATES)
