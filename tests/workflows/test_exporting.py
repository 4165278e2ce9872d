import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from holdfast.core.errors import ConfigError, HoldfastError
from holdfast.core.files import digest_file
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import open_version
from holdfast.tracking import read_run
from holdfast.workflows.exporting import export_run
from holdfast.workflows.sample_predictions import write_samples
from holdfast.workflows.training import train_run
from tests.journey import Road, answer, overrides


@pytest.fixture
def home(road: Road, tmp_path: Path) -> Path:
    """A workspace with data but neither runs nor models."""
    shutil.copytree(road.workspace.datasets, tmp_path / "home" / "datasets")
    return tmp_path / "home"


def weights(home: Path) -> str:
    (model,) = home.glob("models/words/versions/1/bundle/model.onnx")
    return digest_file(model)


def test_a_training_whose_exporter_fails_ends_with_equal_weights(
    road: Road, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    dials = ["track.to=[tensorboard,mlflow]", "track.mlflow_uri=http://ann:hunter22@127.0.0.1:1"]

    result = train_run("words", Workspace(home), overrides=[*overrides("words"), *dials])

    assert weights(home) == weights(road.workspace.home)
    record = read_run(home / "runs", result["run"])
    assert record.info.facts["exporters"] == result["exporters"]
    assert result["exporters"]["mlflow"].startswith("failed: MlflowException")
    assert result["exporters"]["tensorboard"] == f"sent to {record.folder.resolve() / 'tensorboard'}"
    assert not [path for path in home.rglob("*") if path.is_file() and b"hunter22" in path.read_bytes()]


def test_without_exporters_nothing_of_them_is_written(road: Road) -> None:
    run = road.workspace.runs / road.results["words"]["run"]

    assert not {"exporters", "sample_predictions"} & {path.name for path in run.iterdir()}


def test_a_finished_run_is_exported_from_its_files_and_not_twice(road: Road, home: Path) -> None:
    name = road.results["shapes"]["run"]
    shutil.copytree(road.workspace.runs / name, home / "runs" / name)

    first = answer("runs", "export", name, "--to", "tensorboard", "track.samples=4", home=home)
    files = sorted((home / "runs" / name / "tensorboard").iterdir())
    second = export_run(name, Workspace(home), to=["tensorboard"])

    assert first == second
    assert first[0]["ok"]
    assert sorted((home / "runs" / name / "tensorboard").iterdir()) == files
    assert len(list((home / "runs" / name / "sample_predictions").glob("*.png"))) == 4


def test_what_cannot_be_exported_is_told(road: Road) -> None:
    name = road.results["shapes"]["run"]

    with pytest.raises(HoldfastError, match="no tool to export to"):
        export_run(name, road.workspace)
    with pytest.raises(ConfigError, match=r"track\.to"):
        export_run(name, road.workspace, to=["comet"])


@pytest.mark.parametrize("name", ["shapes", "sounds", "words", "colours"])
def test_sample_predictions_show_held_out_samples_of_each_kind(road: Road, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(road.workspace.runs / road.results[name]["run"], run)
    with open_version(road.workspace.datasets, parse_ref(name)) as version:
        write_samples(run, version, 6, threads=1)
        held_out = set(version.names[version.indices("test")])

    rows = json.loads((run / "sample_predictions" / "samples.json").read_text(encoding="utf-8"))
    assert len(rows) == 6
    assert {row["name"] for row in rows} <= held_out
    assert all(0 <= row["probability"] <= 1 for row in rows)
    for row in rows:
        assert (row["picture"] is None) == (name == "words")
        if row["picture"]:
            assert np.ptp(np.array(Image.open(run / "sample_predictions" / row["picture"]))) > 0
        else:
            assert row["text"]
