"""What commands about versions tell, and the page of a comparison."""

import json
import re
import shutil
from pathlib import Path

import pytest

from holdfast.core.errors import DataError, RefError
from holdfast.core.workspace import Workspace
from holdfast.testing.toys import write_images, write_sounds, write_texts
from holdfast.tracking import open_run
from holdfast.workflows.datasets import data_add, data_list, data_show
from holdfast.workflows.versions import data_diff, data_gc, data_log, data_remove, data_tag, data_verify


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


def test_a_log_tells_what_each_version_changed_and_all_that_befell_tags(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = write_images(tmp_path / "toys", per_class=5)
    data_add(source, workspace)
    (source / "disc/disc (0).png").unlink()
    data_add(source, workspace)
    data_tag("toys@1", "gold", workspace)
    data_tag("toys", "gold", workspace, force=True)
    data_tag("toys", "gold", workspace, delete=True)
    data_tag("toys@1", "old", workspace)

    told = data_log("toys", workspace)

    second, first = told["versions"]
    assert (second["version"], second["changes"]["removed"], second["tags"]) == (2, 1, [])
    assert (first["version"], first["changes"], first["tags"]) == (1, None, ["old"])
    assert [line["event"] for line in told["events"]] == ["tag", "tag", "untag", "tag"]
    assert [row["version"] for row in data_log("toys", workspace, last=1)["versions"]] == [2]
    assert data_show("toys@old", workspace)["tags"] == ["old"]
    with pytest.raises(RefError, match="names one version"):
        data_log("toys@1", workspace)


def test_counts_that_were_noted_are_those_of_the_samples(workspace: Workspace, tmp_path: Path) -> None:
    data_add(write_images(tmp_path / "toys", per_class=9), workspace)
    noted = data_show("toys", workspace)["counts"]
    info = workspace.datasets / "toys/versions/1/version.json"
    old = {key: value for key, value in json.loads(info.read_bytes()).items() if key != "counts"}
    info.write_text(json.dumps(old))

    assert data_show("toys", workspace)["counts"] == noted
    assert {label: sum(row.values()) for label, row in noted.items()} == {"disc": 9, "square": 9}


def test_a_damaged_version_hides_no_other(workspace: Workspace, tmp_path: Path) -> None:
    data_add(write_images(tmp_path / "toys", per_class=3), workspace)
    data_add(write_texts(tmp_path / "words.csv", per_class=6), workspace)
    (workspace.datasets / "toys/versions/1/version.json").write_text("no JSON")

    rows = {row["name"]: row for row in data_list(workspace)}

    assert rows["words"]["error"] is None
    assert "is damaged" in rows["toys"]["error"]
    assert rows["toys"]["samples"] is None
    assert "is damaged" in data_log("toys", workspace)["versions"][0]["error"]


def test_what_a_run_learnt_from_is_removed_only_by_force(workspace: Workspace, tmp_path: Path) -> None:
    data_add(write_images(tmp_path / "toys", per_class=3), workspace)
    details = {"dataset": "toys@1", "fingerprint": "f", "config": {}}
    run = open_run(workspace.runs, name="toys", key="k", details=details)

    with pytest.raises(DataError, match=f"toys@1 is needed by 'run {run.id}'"):
        data_remove("toys@1", workspace)
    assert data_remove("toys@1", workspace, force=True) == {"ref": "toys@1", "left": []}
    assert data_gc("toys", workspace)["freed_bytes"] > 0


def test_a_changed_log_is_a_fault(workspace: Workspace, tmp_path: Path) -> None:
    data_add(write_images(tmp_path / "toys", per_class=3), workspace)
    for tag in ("one", "two"):
        data_tag("toys", tag, workspace)
    assert data_verify("toys@two", workspace)["ok"]
    log = workspace.datasets / "toys/audit.jsonl"
    log.write_text(log.read_text().replace("one", "own", 1))

    told = data_verify("toys", workspace)

    assert not told["ok"]
    assert [fault["kind"] for fault in told["faults"]] == ["log"]


NASTY = "<img src=x onerror=alert(1)>\"'&"


@pytest.mark.parametrize("kind", ["images", "sounds", "texts"])
def test_a_page_shows_samples_needs_nothing_else_and_escapes_everything(
    workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    if kind == "texts":
        source = write_texts(tmp_path / "toys.csv", per_class=6)
        data_add(source, workspace, name="toys")
        lines = source.read_text().splitlines()
        quoted = NASTY.replace('"', '""')
        changed = [
            lines[1].replace("sea", quoted),
            f'"{quoted}",sea',
            f'and more,"{quoted}"',
            f'again,"{quoted}"',
        ]
        source.write_text("\n".join([lines[0], *lines[2:], *changed]))
    else:
        write = write_images if kind == "images" else write_sounds
        source = write(tmp_path / "toys", per_class=6)  # type: ignore[operator]
        data_add(source, workspace, name="toys")
        folder = sorted(path for path in source.iterdir())[0]
        files = sorted(folder.iterdir())
        nasty = source / NASTY.replace("/", "")
        nasty.mkdir()
        files[0].rename(nasty / f"{NASTY}{files[0].suffix}")
        shutil.copy(files[1], nasty / files[1].name)
        files[2].unlink()
    data_add(source, workspace, name="toys")

    data_diff("toys@1", "toys@2", workspace, html=tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    shown = {"images": "data:image/jpeg", "sounds": '<audio src="data:audio/mpeg', "texts": "<blockquote"}
    assert shown[kind] in page
    assert "Added: " in page
    assert len(page) < 2_000_000


def test_verify_looks_at_the_log_and_at_tags_and_says_what_mends_each(
    workspace: Workspace, tmp_path: Path
) -> None:
    data_add(write_texts(tmp_path / "sea.csv", per_class=6), workspace)
    for tag in ("gold", "silver", "bronze"):
        data_tag("sea", tag, workspace)
    assert data_verify("sea", workspace)["ok"]
    home = workspace.datasets / "sea"
    (home / "tags/gold.json").write_text("{")
    (home / "tags/silver.json").write_text('{"version": 7}')

    told = data_verify("sea", workspace)

    assert [(fault["kind"], Path(fault["name"]).stem) for fault in told["faults"]] == [
        ("tag", "gold"),
        ("tag", "silver"),
    ]
    assert told["faults"][1]["reason"] == "it says version 7, but the log says version 1"
    assert "`holdfast data tag sea@N TAG --force`" in told["hint"]
    for tag in ("gold", "silver"):
        data_tag("sea@1", tag, workspace, force=True)
    assert data_verify("sea", workspace)["ok"]

    log = home / "audit.jsonl"
    log.write_text(log.read_text().replace("silver", "pewter", 1))
    told = data_verify("sea", workspace)
    assert {fault["kind"] for fault in told["faults"]} == {"log"}
    assert "put the file back from a copy" in told["hint"]
    assert "data add" not in told["hint"]
