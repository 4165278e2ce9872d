"""Rows that are not those of their version are given to nobody."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data.pull import pull
from holdfast.data.push import push
from holdfast.testing.toys import write_texts
from holdfast.workflows.batch_inputs import find_inputs
from holdfast.workflows.checking import data_check
from holdfast.workflows.datasets import data_add
from holdfast.workflows.training import train_run
from holdfast.workflows.versions import data_checkout, data_export, data_remove, data_verify

TOLD = r"samples.parquet was altered: its rows do not give the fingerprint of sea@2"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Version 2 has some samples of test in training."""
    workspace = Workspace(tmp_path / "home")
    for count in (20, 22):
        data_add(write_texts(tmp_path / "sea.csv", per_class=count), workspace)
    path = workspace.datasets / "sea/versions/2/samples.parquet"
    table = parquet.read_table(path)
    splits = pc.replace_substring(table.column("split"), "test", "train")
    parquet.write_table(table.set_column(table.column_names.index("split"), "split", splits), path)
    return workspace


def far(workspace: Workspace) -> Path:
    return workspace.home.parent / "far"


@pytest.mark.parametrize(
    "use",
    [
        lambda it: push(it.datasets, parse_ref("sea@2"), far(it)),
        lambda it: data_checkout("sea@2", far(it), it),
        lambda it: data_export("sea@2", far(it), it),
        lambda it: data_check("sea@2", it, quick=True),
        lambda it: find_inputs(["sea@2:test"], it, "text"),
        lambda it: train_run("sea@2", it),
        lambda it: data_add(it.home.parent / "sea.csv", it, verify=True),
    ],
    ids=["push", "checkout", "export", "check", "predict", "train", "add --verify"],
)
def test_altered_rows_are_used_for_nothing(workspace: Workspace, use: Callable[[Workspace], object]) -> None:
    with pytest.raises(DataError, match=TOLD) as told:
        use(workspace)

    assert "holdfast data remove sea@2" in str(told.value.hint)
    assert not list(far(workspace).rglob("*.parquet"))
    assert not (workspace.datasets / "sea/versions/3").exists()


def test_what_the_hint_says_leads_on(workspace: Workspace) -> None:
    told = data_verify("sea@2", workspace)

    assert [fault["kind"] for fault in told["faults"]] == ["fingerprint"]
    assert "`holdfast data remove sea@2`" in told["hint"]
    assert "--verify" not in told["hint"]
    data_remove("sea@2", workspace)
    added = data_add(workspace.home.parent / "sea.csv", workspace, verify=True)
    assert added["ref"] == "sea@3"
    assert data_verify("sea", workspace)["ok"]
    push(workspace.datasets, parse_ref("sea"), far(workspace))
    assert pull(workspace.home.parent / "other", parse_ref("sea"), far(workspace)).new
