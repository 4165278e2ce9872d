import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.bundle import open_bundle
from holdfast.config import Config
from holdfast.core.errors import ConfigError, RefError
from holdfast.core.files import digest_file, write_json
from holdfast.core.workspace import Workspace
from holdfast.data import Version
from holdfast.modality import Preparation
from holdfast.serve.engine import Engine
from holdfast.testing.toys import write_images
from holdfast.tracking import Run
from holdfast.workflows import training
from holdfast.workflows.datasets import data_add
from holdfast.workflows.training import train_run
from tests.journey import Road, answer, holdfast, overrides


def weights(home: Path) -> set[str]:
    return {digest_file(path) for path in home.glob("models/*/versions/*/bundle/model.onnx")}


@pytest.fixture
def home(road: Road, tmp_path: Path) -> Path:
    """A workspace with data but neither runs nor models."""
    shutil.copytree(road.workspace.datasets, tmp_path / "home" / "datasets")
    return tmp_path / "home"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_training_goes_on_to_the_very_same_weights(road: Road, home: Path) -> None:
    settings = [*overrides("shapes"), "train.checkpoint_s=0"]
    command = [sys.executable, "-m", "holdfast", "train", "shapes", *settings, "--home", str(home)]

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not list(home.glob("runs/*/checkpoints/last.json")) and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    holdfast(*command[3:], home=home)

    shapes = set(road.workspace.models.glob("shapes/versions/1/bundle/model.onnx"))
    assert weights(home) == {digest_file(path) for path in shapes}
    (run,) = answer("runs", "list", home=home)
    assert run["resumes"] == 1


def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, command = tmp_path / "home", ("train", "shapes", *overrides("shapes"))
    data_add(write_images(tmp_path / "shapes"), Workspace(home))

    def stopped(config: Config, version: Version, preparation: Preparation, run: Run) -> None:
        if begun:
            write_json(run.folder / "checkpoints/last.json", {})
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit", stopped)

    begun = False
    early = holdfast(*command, home=home, expect=130).stderr
    begun = True
    late = json.loads(holdfast(*command, "--json", home=home, expect=130).stderr)

    (run,) = answer("runs", "list", home=home)
    assert early.splitlines()[-1] == "error: interrupted"
    assert late == {
        "error": "interrupted",
        "hint": f"the same command goes on from the last checkpoint of {run['id']}",
    }


@pytest.mark.slow
def test_two_trainings_at_once_lose_nothing(home: Path) -> None:
    settings = [*overrides("words"), "train.epochs=1", "evaluate.baselines=false"]
    command = [sys.executable, "-m", "holdfast", "train", "words", *settings, "--json", "--home", str(home)]

    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = [json.loads(process.communicate()[0]) for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert results[0]["run"] != results[1]["run"]
    assert {result["model"] for result in results} == {"words@1", "words@2"}
    audit = answer("models", "show", "words", home=home)["audit"]
    assert [line["event"] for line in audit] == ["register", "register"]
    assert {run["status"] for run in answer("runs", "list", home=home)} == {"finished"}
    assert len(weights(home)) == 1
    for result in results:
        assert answer("models", "verify", result["model"], home=home)["ok"]


def test_a_recipe_for_another_modality_is_refused(road: Road) -> None:
    with pytest.raises(ConfigError, match="recipe 'audio' is for audio, but shapes holds image"):
        train_run("shapes", road.workspace, overrides=["recipe=audio"])


def test_an_unknown_dataset_is_told_with_what_there_is(road: Road) -> None:
    with pytest.raises(RefError, match="shapes"):
        train_run("shpes", road.workspace)


def test_the_stored_configuration_can_be_run_again(road: Road, home: Path) -> None:
    stored = road.workspace.runs / road.results["words"]["run"] / "config.yaml"

    train_run("words", Workspace(home), config_file=stored)

    first = road.workspace.models / "words/versions/1/bundle/model.onnx"
    assert weights(home) == {digest_file(first)}


@pytest.mark.parametrize("name", ["words", "colours"])
def test_a_bundle_carries_golden_samples_and_knows_when_it_is_not_sure(road: Road, name: str) -> None:
    bundle = open_bundle(road.workspace.models / f"{name}/versions/1/bundle")

    assert bundle.golden is not None
    given = Engine(bundle, threads=1).predict(bundle.golden.items).probabilities
    assert bundle.golden.difference(given) <= bundle.golden.tolerance
    assert bundle.abstention is not None
    assert bundle.evaluation is not None
    told = bundle.evaluation["abstention"]
    assert told["fitted_on"] == bundle.abstention.samples
    assert 0 < told["coverage"] <= 1
