import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.cli import report_runs
from holdfast.core.errors import ConfigError, DataError, HoldfastError, RefError
from holdfast.core.files import read_json, write_json
from holdfast.core.workspace import Workspace
from holdfast.registry import Registry
from holdfast.tracking import Run, list_runs, read_run
from holdfast.tracking.record import config_digest
from holdfast.train import loop
from holdfast.workflows import training
from holdfast.workflows.reproducing import reproduce_run
from holdfast.workflows.training import train_run
from tests.journey import Road, holdfast, overrides

SHORT = ("train.epochs=2", "evaluate.baselines=false")


@pytest.fixture
def home(road: Road, tmp_path: Path) -> Workspace:
    """The workspace of the road with one run and one model of the shapes, and data of its own."""
    name, run = "shapes", road.results["shapes"]["run"]
    for part in (f"datasets/{name}", f"runs/{run}", f"models/{name}"):
        shutil.copytree(road.workspace.home / part, tmp_path / "home" / part)
    return Workspace(tmp_path / "home")


@pytest.fixture
def quick(home: Workspace, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after the weights is not made anew: the bundle is a copy of the run's own."""

    def copied(again: Run, *_: Any) -> Path:
        return Path(shutil.copytree(home.runs / run / "bundle", again.bundle))

    monkeypatch.setattr(training, "make_bundle", copied)


@pytest.fixture
def run(road: Road) -> str:
    return str(road.results["shapes"]["run"])


def edit(home: Workspace, run: str, file: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change what a run says of itself, as if it had been made so."""
    path = home.runs / run / file
    value = read_json(path)
    change(value)
    write_json(path, value)


def configure(home: Workspace, run: str, section: str, **settings: Any) -> None:
    path = home.runs / run / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config[section] |= settings
    path.write_text(yaml.safe_dump(config))
    edit(home, run, "run.json", lambda info: info.update(config_digest=config_digest(config)))


def test_the_same_run_ends_at_the_same_weights(home: Workspace, run: str) -> None:
    result = reproduce_run(run, home)

    assert result["ok"]
    assert result["weights"]["equal"]
    assert result["graph_equal"]
    assert result["first_difference"] is None
    assert result["reasons"] == []
    assert {row["difference"] for row in result["metrics"].values()} == {0.0}
    again = read_run(home.runs, result["reproduction"])
    assert again.id != run
    assert again.info.status == "finished"
    assert again.info.facts["reproduces"] == run
    assert again.info.facts["equal"]
    assert Registry(home.models).versions("shapes") == [1], "a reproduction is no new model"


@pytest.mark.usefixtures("quick")
def test_a_run_that_was_cut_short_reproduces_too(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [*overrides("shapes"), *SHORT, "train.seed=7", "train.checkpoint_s=0"]
    real, calls = loop.learn, 0

    def interrupted(*args: Any, **named: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return real(*args, **named)

    monkeypatch.setattr(loop, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_run("shapes", home, overrides=settings)
    assert "interrupted" in [info.status for info in list_runs(home.runs)]
    trained = train_run("shapes", home, overrides=settings)
    assert read_run(home.runs, trained["run"]).info.resumes == 1

    result = reproduce_run(trained["run"], home)

    assert result["weights"]["equal"]


@pytest.mark.usefixtures("quick")
def test_threads_and_precision_are_those_that_were_used(home: Workspace, run: str) -> None:
    configure(home, run, "device", threads=0, precision="auto", name="auto")

    result = reproduce_run(run, home)

    assert result["weights"]["equal"]
    device = read_run(home.runs, result["reproduction"]).config()["device"]
    assert (device["name"], device["threads"], device["precision"]) == ("cpu", 1, "fp32")


@pytest.mark.usefixtures("quick")
def test_what_differs_is_said_with_the_likely_reason(home: Workspace, run: str) -> None:
    configure(home, run, "train", epochs=2, seed=3)  # as if other code had made other weights
    edit(home, run, "environment.json", lambda it: it["packages"].update(torch="1.0"))

    result = reproduce_run(run, home)

    assert not result["ok"]
    weights = result["weights"]
    assert weights["max_difference"] == weights["different"][0]["max_difference"] > 0
    assert weights["worst"] == weights["different"][0]["name"]
    assert result["first_difference"]["what"] == "loss"
    assert {"what": "packages.torch", "then": "1.0"}.items() <= result["differences"][0].items()
    assert result["reasons"][0].startswith("packages.torch: another release of torch")


@pytest.mark.usefixtures("quick")
def test_a_tolerance_forgives_so_much_and_no_more(home: Workspace, run: str) -> None:
    configure(home, run, "train", epochs=1, seed=3)

    strict = reproduce_run(run, home, tolerance=1e-9)
    lenient = reproduce_run(run, home, tolerance=strict["weights"]["max_difference"])

    assert (strict["ok"], lenient["ok"]) == (False, True)
    assert not lenient["weights"]["equal"]


@pytest.mark.usefixtures("quick")
def test_the_clock_is_no_basis_for_a_proof(home: Workspace, run: str) -> None:
    configure(home, run, "train", epochs=2, max_minutes=60.0)
    folder = home.runs / run / "checkpoints"
    state = read_json(folder / "last.json")
    write_json(folder / "last.json", {**state, "state": {**state["state"], "epoch": 1, "stopped": True}})

    result = reproduce_run(run, home)

    assert "the clock ended it after epoch 1 of 2" in result["notes"][0]
    assert "the clock ended it after epoch 1 of 2" in result["reasons"][0]


@pytest.mark.usefixtures("quick")
def test_data_that_is_gone_is_refused_unless_another_version_holds_the_same(
    home: Workspace, run: str
) -> None:
    versions = home.datasets / "shapes" / "versions"
    (versions / "1").rename(versions / "2")
    info = read_json(versions / "2/version.json")
    write_json(versions / "2/version.json", {**info, "version": 2})

    assert reproduce_run(run, home)["dataset"]["version"] == 2

    shutil.rmtree(versions / "2")
    with pytest.raises(DataError, match=r"shapes@1, which run .* was trained on, is gone"):
        reproduce_run(run, home)


def test_data_that_was_changed_is_refused(home: Workspace, run: str) -> None:
    import pyarrow
    from pyarrow import parquet

    path = home.datasets / "shapes/versions/1/samples.parquet"
    table = parquet.read_table(path)
    place = table.column_names.index("split")
    splits = ["valid", *table.column("split").to_pylist()[1:]]
    if splits == table.column("split").to_pylist():
        splits[0] = "train"
    parquet.write_table(table.set_column(place, "split", pyarrow.array(splits)), path)

    with pytest.raises(DataError, match=r"shapes@1 is not what run .* was trained on: its fingerprint is"):
        reproduce_run(run, home)


@pytest.mark.parametrize("status", ["failed", "running"])
def test_a_run_that_did_not_finish_is_refused(home: Workspace, run: str, status: str) -> None:
    edit(home, run, "run.json", lambda info: info.update(status=status))

    with pytest.raises(HoldfastError, match="it has no weights to compare with"):
        reproduce_run(run, home)


def test_a_configuration_that_was_changed_is_refused(home: Workspace, run: str) -> None:
    path = home.runs / run / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))

    with pytest.raises(HoldfastError, match="was changed after the run began"):
        reproduce_run(run, home)


def test_a_setting_of_another_release_is_told(home: Workspace, run: str) -> None:
    configure(home, run, "optim", momentom=0.9)

    with pytest.raises(ConfigError) as error:
        reproduce_run(run, home)

    first, second = error.value.message.splitlines()
    assert first.startswith(f"run {run} was made by holdfast ")
    assert first.endswith("does not have or take:")
    assert second == "  optim.momentom: unknown setting; did you mean 'momentum'?"


def test_a_trial_whose_weights_its_sweep_did_not_keep_says_how_to_have_them(
    home: Workspace, run: str
) -> None:
    edit(home, run, "run.json", lambda info: info["facts"].update(sweep="shapes-1a", trial=3))
    shutil.rmtree(home.runs / run / "checkpoints")

    with pytest.raises(HoldfastError, match="which keeps the weights of its best trial alone") as error:
        reproduce_run(run, home)

    assert f"holdfast train shapes@1 --config {home.runs / run / 'config.yaml'}" in str(error.value.hint)


def test_an_unknown_run_is_told(home: Workspace) -> None:
    with pytest.raises(RefError, match="there is no run 'shapes-1'"):
        reproduce_run("shapes-1", home)


def test_the_command_ends_with_1_where_the_weights_are_others(home: Workspace, run: str) -> None:
    configure(home, run, "train", epochs=1, seed=3)
    configure(home, run, "evaluate", baselines=False)

    result = json.loads(holdfast("reproduce", run, "--json", home=home.home, expect=1).stdout)

    assert not result["ok"]
    assert "tensors differ: at most" in report_runs.reproduction(result)
    assert f"reproduces {run}" in holdfast("runs", "list", home=home.home).stdout
