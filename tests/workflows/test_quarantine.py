import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from holdfast.core.errors import DataError
from holdfast.core.workspace import Workspace
from holdfast.testing.toys import write_images, write_sounds, write_texts
from holdfast.workflows.datasets import data_add, data_show


def _cut(path: Path) -> bytes:
    data = path.read_bytes()
    return data[: len(data) // 2]


def _noise(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


def _images(folder: Path) -> dict[str, bytes]:
    good = next((write_images(folder, per_class=6) / "disc").glob("*.png"))
    return {
        "truncated.png": _cut(good),
        "empty.jpg": b"",
        "noise.jpg": _noise(900),
        "page.gif": b"<html></html>",
    }


def _sounds(folder: Path) -> dict[str, bytes]:
    good = next((write_sounds(folder, per_class=6) / "low").glob("*.wav"))
    return {
        "truncated.wav": _cut(good),
        "empty.mp3": b"",
        "noise.ogg": _noise(900),
        "text.flac": b"not a sound",
    }


@pytest.mark.parametrize(("write", "into"), [(_images, "disc"), (_sounds, "low")])
def test_broken_files_among_good_ones_are_named_with_the_reason(
    write: Callable[[Path], dict[str, bytes]], into: str, tmp_path: Path
) -> None:
    broken = write(tmp_path / "source")
    for name, data in broken.items():
        (tmp_path / "source" / into / name).write_bytes(data)
    workspace = Workspace(tmp_path / "home")

    added = data_add(tmp_path / "source", workspace)

    quarantine = {item["name"]: item["reason"] for item in data_show("source", workspace)["quarantine"]}
    assert set(quarantine) == {f"{into}/{name}" for name in broken}
    assert all(quarantine.values())
    assert quarantine[f"{into}/empty.{'jpg' if into == 'disc' else 'mp3'}"] == "empty file"
    assert added["quarantined"] == len(broken)
    assert added["samples"] == 12


def test_empty_texts_are_named_with_the_reason(tmp_path: Path) -> None:
    table = write_texts(tmp_path / "texts.csv", per_class=6)
    with table.open("a") as file:
        file.write('"",sea\n"   ",hill\n')
    workspace = Workspace(tmp_path / "home")

    assert data_add(table, workspace)["quarantined"] == 2
    assert {item["reason"] for item in data_show("texts", workspace)["quarantine"]} == {"empty text"}


@pytest.mark.parametrize("write", [_images, _sounds])
def test_nothing_but_broken_files_is_an_error_that_says_why(
    write: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    broken = write(tmp_path / "good")
    for label in ("a", "b"):
        (tmp_path / "source" / label).mkdir(parents=True)
        for name, data in broken.items():
            (tmp_path / "source" / label / name).write_bytes(data)

    with pytest.raises(DataError, match="empty file"):
        data_add(tmp_path / "source", Workspace(tmp_path / "home"))

    assert not list((tmp_path / "home").glob("datasets/*/versions/*"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want Unicode")
@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_source_whose_name_is_no_unicode_is_taken(tmp_path: Path, kind: str) -> None:
    source = tmp_path / os.fsdecode(b"sur\xff" if kind == "folder" else b"sur\xff.csv")
    written = write_images(source, per_class=6) if kind == "folder" else write_texts(source, per_class=6)

    added = data_add(written, Workspace(tmp_path / "home"))

    assert (added["ref"], added["samples"], added["source"]) == (
        "sur@1",
        12,
        str(source).replace("\udcff", "\\udcff"),
    )
    json.dumps(data_show("sur", Workspace(tmp_path / "home")), ensure_ascii=False).encode()
