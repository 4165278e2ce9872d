"""Whatever people hand in, there is a clear finding or error; nothing is dropped in silence."""

import csv
import io
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.core.errors import DataError
from holdfast.core.workspace import Workspace
from holdfast.testing.toys import write_images, write_sounds, write_texts
from holdfast.tracking import read_run
from holdfast.workflows.checking import data_check
from holdfast.workflows.datasets import data_add, data_show
from holdfast.workflows.evaluating import evaluate_model
from holdfast.workflows.training import train_run
from tests.journey import overrides

WORDS = {"sea": "wave tide foam", "hill": "slope ridge heath", "sky": "cloud star wind"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


def table(path: Path, rows: Iterable[Sequence[str]], columns: str = "text label") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns.split(), *rows])
    return path


def texts(label: str, count: int) -> list[list[str]]:
    words = WORDS[label].split()
    return [[f"{words[n % 3]} and {words[n // 3 % 3]} number {n}", label] for n in range(count)]


def findings(workspace: Workspace, name: str) -> dict[str, dict[str, Any]]:
    found = data_check(name, workspace, quick=True)["findings"]
    shown = ("level", "title", "detail", "count")
    return {finding["title"]: {key: finding[key] for key in shown} for finding in found}


def trained(workspace: Workspace, name: str) -> dict[str, Any]:
    quick = [*overrides("words"), "train.epochs=1", "evaluate.bootstrap=5"]
    result = train_run(name, workspace, overrides=quick)
    again = evaluate_model(result["model"], workspace)
    assert again["metrics"] == result["metrics"]
    return again


def quarantine(workspace: Workspace, name: str) -> dict[str, str]:
    return {item["name"]: item["reason"] for item in data_show(name, workspace)["quarantine"]}


def test_a_class_with_a_single_sample_is_found_and_does_not_stop_the_training(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = [*texts("sea", 30), *texts("hill", 30), *texts("sky", 1)]
    data_add(table(tmp_path / "few.csv", rows), workspace)

    found = findings(workspace, "few")
    told = trained(workspace, "few")

    assert found["labels with few samples in train"]["detail"] == "'sky (1)'"
    assert found["labels missing in test"]["detail"].startswith("'sky'")
    assert {row["label"]: row["support"] for row in told["per_class"]}["sky"] == 0


def test_a_given_split_that_lacks_a_class_is_found_and_does_not_stop_the_training(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = [[*row, "train"] for row in [*texts("sea", 20), *texts("hill", 20)]]
    rows += [[*row, "test"] for row in [*texts("sea", 30)[20:], *texts("sky", 12)]]
    data_add(table(tmp_path / "torn.csv", rows, "text label split"), workspace)

    found = findings(workspace, "torn")
    told = trained(workspace, "torn")

    assert found["labels missing in train"]["level"] == "error"
    assert "'sky'" in found["labels missing in train"]["detail"]
    assert "'hill'" in found["labels missing in test"]["detail"]
    assert {row["label"]: row["recall"] for row in told["per_class"]} == pytest.approx(
        {"hill": None, "sea": 1.0, "sky": 0.0}, abs=1.0
    )


def test_a_single_class_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sea") as error:
        data_add(table(tmp_path / "one.csv", texts("sea", 20)), workspace)

    assert error.value.hint


def test_a_training_says_once_what_is_doubtful_and_keeps_it(workspace: Workspace, tmp_path: Path) -> None:
    data_add(
        table(tmp_path / "few.csv", [*texts("sea", 30), *texts("hill", 30), *texts("sky", 1)]), workspace
    )
    said: list[str] = []

    quick = [*overrides("words"), "train.epochs=1", "evaluate.baselines=false", "augment.crop=0.5"]
    told = train_run("few", workspace, overrides=quick, warn=said.append)
    again = train_run("few", workspace, overrides=quick, repeat=False)

    assert told["findings"] == [f for f in findings(workspace, "few").values() if f["level"] != "info"]
    assert (
        said == [f"{finding['title']}: {finding['detail']}" for finding in told["findings"]] + told["unused"]
    )
    assert [line.split()[0] for line in told["unused"]] == ["augment.crop"]
    assert "labels missing in test: 'sky'" in " ".join(said)
    assert read_run(workspace.runs, told["run"]).info.facts["findings"] == told["findings"]
    assert again["findings"] == told["findings"]


def test_a_group_that_holds_a_whole_class_is_found(workspace: Workspace, tmp_path: Path) -> None:
    rows = [[*row, f"g{n // 2}"] for n, row in enumerate([*texts("sea", 30), *texts("hill", 30)])]
    rows += [[*row, "h"] for row in texts("sky", 20)]
    data_add(table(tmp_path / "tied.csv", rows, "text label group"), workspace)

    found = findings(workspace, "tied")
    told = trained(workspace, "tied")

    assert "'sky (1)'" in found["labels with fewer than 3 groups"]["detail"]
    assert "'sky'" in found["labels missing in test"]["detail"]
    assert told["samples"] > 0


def test_labels_that_differ_in_case_or_blanks_alone_are_found(workspace: Workspace, tmp_path: Path) -> None:
    rows = [*texts("sea", 30), *texts("hill", 30)]
    for n, alike in enumerate(["Sea", "sea ", " SEA", "s\u00e9a", "hill"]):
        rows += [[f"another {alike.strip()} {n} {m}", alike] for m in range(12)]
    data_add(table(tmp_path / "alike.csv", rows), workspace)

    found = findings(workspace, "alike")["labels that look alike"]

    assert found["level"] == "warning"
    assert "Sea" in found["detail"]
    assert "s\u00e9a" not in found["detail"]


def test_a_picture_of_400_million_pixels_is_quarantined(workspace: Workspace, tmp_path: Path) -> None:
    source = write_images(tmp_path / "shapes", per_class=6)
    (source / "disc" / "vast.png").write_bytes(_vast_png(20_000))

    added = data_add(source, workspace)

    assert added["quarantined"] == 1
    assert "20000 × 20000" in quarantine(workspace, "shapes")["disc/vast.png"]
    assert "samples that were left out" in findings(workspace, "shapes")


def test_a_sound_of_two_hours_is_quarantined(workspace: Workspace, tmp_path: Path) -> None:
    import soundfile

    source = write_sounds(tmp_path / "tones", per_class=6)
    soundfile.write(source / "low" / "long.flac", np.zeros(7200 * 4000, np.int16), 4000)

    added = data_add(source, workspace)

    assert added["quarantined"] == 1
    assert "7,200" in quarantine(workspace, "tones")["low/long.flac"]


def test_an_empty_text_and_one_of_10_mb_are_quarantined(workspace: Workspace, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "words.csv", per_class=10)
    with source.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["", "sea"], ["wave " * 2_000_000, "hill"]])

    added = data_add(source, workspace)

    assert added["quarantined"] == 2
    assert sorted(quarantine(workspace, "words").values()) == [
        "empty text",
        "text of 10,000,000 characters, more than 1,000,000",
    ]


@pytest.mark.parametrize(
    "classes", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_thousands_of_classes_go_all_the_way(workspace: Workspace, tmp_path: Path, classes: int) -> None:
    rows = [[f"about {n} number {m} of {n}", f"c{n:05}"] for n in range(classes) for m in range(2)]
    data_add(table(tmp_path / "many.csv", rows), workspace)

    found = findings(workspace, "many")
    told = trained(workspace, "many")

    assert len(told["per_class"]) == classes
    assert all(len(finding["detail"]) < 1000 for finding in found.values())


def _vast_png(side: int) -> bytes:
    """One bit a pixel, all black: 50 MB of pixels in 50 kB of file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    rows = io.BytesIO(bytes((1 + -(-side // 8)) * side))
    packed = zlib.compress(rows.getvalue(), 1)
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
