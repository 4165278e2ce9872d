"""A model can be measured on data of another origin, beside baselines of the same training."""

import shutil
from pathlib import Path

import pytest

from holdfast.core.errors import DataError
from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions
from holdfast.testing.toys import write_texts
from holdfast.workflows.datasets import data_add
from holdfast.workflows.evaluating import evaluate_model
from tests.journey import Road

WHOLE = SourceOptions(test_share=1, valid_share=0)


@pytest.fixture
def workspace(road: Road, tmp_path: Path) -> Workspace:
    for part in ("datasets", "models", "runs"):
        shutil.copytree(getattr(road.workspace, part), tmp_path / "home" / part)
    return Workspace(tmp_path / "home")


def test_a_whole_set_of_another_origin_is_measured(workspace: Workspace, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "elsewhere.csv", per_class=15, seed=1)
    added = data_add(source, workspace, options=WHOLE)

    told = evaluate_model("words@1", workspace, dataset="elsewhere")

    assert added["splits"] == {"train": 0, "valid": 0, "test": told["samples"]}
    assert told["dataset"] == "elsewhere@1"
    assert told["baselines"]["simple"]["accuracy"]["value"] > 0.9
    majority = told["baselines"]["majority"]["accuracy"]["value"]
    assert majority == pytest.approx(0.5, abs=0.01)


def test_the_version_that_was_measured_is_said(workspace: Workspace) -> None:
    assert evaluate_model("words", workspace)["model"] == "words@1"


def test_without_the_data_that_it_learnt_from_a_model_has_no_baselines(
    workspace: Workspace, tmp_path: Path
) -> None:
    data_add(write_texts(tmp_path / "elsewhere.csv", per_class=5, seed=1), workspace, options=WHOLE)
    shutil.rmtree(workspace.datasets / "words")

    told = evaluate_model("words@1", workspace, dataset="elsewhere")

    assert told["baselines"] == {}
    assert told["metrics"]["accuracy"]["value"] > 0.5


def test_a_split_that_holds_nothing_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    data_add(write_texts(tmp_path / "elsewhere.csv", per_class=5, seed=1), workspace, options=WHOLE)

    with pytest.raises(DataError, match=r"elsewhere@1 has no samples in 'valid'"):
        evaluate_model("words@1", workspace, dataset="elsewhere", split="valid")


def test_what_another_release_called_otherwise_after_a_training_is_no_hindrance(workspace: Workspace) -> None:
    (stored,) = workspace.runs.glob("words-*/config.yaml")
    text = stored.read_text()
    stored.write_text(text.replace("serve:\n", "serve:\n  gone: 1\n"))

    assert stored.read_text() != text
    assert evaluate_model("words@1", workspace)["metrics"]["accuracy"]["value"] > 0.5
