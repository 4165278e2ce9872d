"""A check shows what is wrong with pictures, texts and recordings, in words, as JSON and as a page."""

import csv
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions, open_version
from holdfast.workflows import signing
from holdfast.workflows.checking import data_check
from holdfast.workflows.datasets import data_add
from holdfast.workflows.signing import signatures
from tests.journey import answer, holdfast


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def photo(path: Path, seed: int, quality: int = 90) -> None:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC).save(path, "JPEG", quality=quality)


def pictures(folder: Path, per_class: int = 48) -> Path:
    """Split as the source says: a quarter of each class for validation, a quarter for testing."""
    for place, name in enumerate(("cat", "dog")):
        for number in range(per_class):
            split = ("test", "train", "train", "valid")[number % 4]
            photo(folder / split / name / f"{name}{number}.jpg", 1000 * place + number)
    return folder


def found(workspace: Workspace, source: Path, **options: Any) -> dict[str, dict[str, Any]]:
    data_add(source, workspace, name="d", options=options.pop("source_options", None))
    return {finding["title"]: finding for finding in data_check("d", workspace, **options)["findings"]}


def names(finding: dict[str, Any]) -> list[list[str]]:
    return [[sample["name"].split("/")[-1] for sample in example] for example in finding["examples"]]


def test_good_pictures_have_no_findings_whatever_their_names(workspace: Workspace, tmp_path: Path) -> None:
    numbered = found(workspace, pictures(tmp_path / "p"))
    for path in sorted((tmp_path / "p").rglob("*.jpg")):
        letters = "".join(chr(ord("a") + int(digit)) for digit in path.stem if digit.isdigit())
        path.rename(path.with_name(f"{letters}{path.parent.name}.jpg"))

    assert numbered == found(Workspace(tmp_path / "other"), tmp_path / "p") == {}


def test_near_duplicates_across_splits_are_shown_beside_each_other(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "p")
    photo(folder / "test/cat/again.jpg", 1, quality=50)  # cat1, which is in train
    photo(folder / "test/dog/wrong.jpg", 2, quality=50)  # cat2

    told = found(workspace, folder)

    leak = told["near duplicates of training samples in test"]
    assert (leak["level"], leak["count"]) == ("warning", 2)
    assert sorted(names(leak)) == [["again.jpg", "cat1.jpg"], ["wrong.jpg", "cat2.jpg"]]
    assert "2 of 26 test samples (7.7%)" in leak["detail"]
    assert "is right for 50% of them" in leak["detail"]
    conflict = told["near duplicates with different labels"]
    assert sorted(name for example in names(conflict) for name in example) == ["cat2.jpg", "wrong.jpg"]
    assert told["near duplicates"]["count"] == 4


def test_blank_damaged_and_misnamed_pictures_are_found(workspace: Workspace, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    Image.new("RGB", (96, 96), "white").save(folder / "train/cat/blank.jpg")
    Image.open(folder / "train/dog/dog1.jpg").rotate(90).save(folder / "train/dog/png.jpg", "PNG")
    Image.open(folder / "train/dog/dog2.jpg").rotate(90).resize((2000, 2000)).save(
        folder / "train/dog/huge.jpg"
    )
    (folder / "train/dog/empty.jpg").write_bytes(b"")
    (folder / "train/dog/cut.jpg").write_bytes((folder / "train/dog/dog5.jpg").read_bytes()[:500])

    told = found(workspace, folder)

    assert names(told["blank pictures"]) == [["blank.jpg"]]
    assert names(told["files of another format than their names say"]) == [["png.jpg"]]
    assert "png.jpg is PNG" in told["files of another format than their names say"]["detail"]
    assert ["huge.jpg"] in names(told["unusual pixels"])
    left_out = told["samples that were left out"]["detail"]
    assert "truncated image (1)" in left_out
    assert "empty file (1)" in left_out


def test_a_thousand_blank_pictures_do_not_leak(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    for number in range(60):
        path = folder / ("train" if number % 2 else "test") / "ab"[number % 4 // 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8 + number, 8), number % 3).save(path)

    told = found(workspace, folder)

    assert told["blank pictures"]["count"] == 60
    assert not [title for title in told if title.startswith("near")]


def test_equal_pictures_under_all_labels_are_one_conflict(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    for number in range(40):
        photo(folder / ("train" if number % 2 else "test") / "ab"[number % 4 // 2] / f"{number}.jpg", 0)

    told = found(workspace, folder)

    assert told["exact copies with different labels"]["count"] == 1
    assert "20 of 20 test samples" in told["copies of training samples"]["detail"]
    assert not [title for title in told if title.startswith("near")]


def test_quick_decodes_nothing(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "p")
    photo(folder / "test/cat/again.jpg", 1, quality=50)
    monkeypatch.setattr(signing, "seen", lambda *_: pytest.fail("decoded"))

    assert found(workspace, folder, quick=True) == {}


def test_signatures_are_made_once_and_only_for_what_is_new(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, decoded = pictures(tmp_path / "p"), []
    read = signing.seen
    monkeypatch.setattr(signing, "seen", lambda *args: decoded.append(1) or read(*args))

    first = found(workspace, folder)
    again = found(workspace, folder)
    count = len(decoded)
    photo(folder / "train/cat/more.jpg", 77)
    found(workspace, folder)

    assert first == again
    assert (count, len(decoded)) == (96, 97)


def test_lost_or_damaged_signatures_are_made_again(workspace: Workspace, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    photo(folder / "test/cat/again.jpg", 1, quality=50)
    first = found(workspace, folder)
    (kept,) = (workspace.datasets / "d/scans/signatures").iterdir()

    kept.write_bytes(kept.read_bytes()[:100])
    damaged = found(workspace, folder)
    shutil.rmtree(workspace.datasets / "d/scans")

    assert first == damaged == found(workspace, folder)


def test_samples_of_a_damaged_shard_have_no_signature_and_stop_nothing(
    workspace: Workspace, tmp_path: Path
) -> None:
    data_add(pictures(tmp_path / "p"), workspace, name="d")
    (shard,) = (workspace.datasets / "d/shards").glob("*.tar")
    data = bytearray(shard.read_bytes())
    data[600] ^= 1  # within the first sample
    shard.write_bytes(data)

    with open_version(workspace.datasets, parse_ref("d")) as version:
        assert len(signatures(version)) == 95
    assert data_check("d", workspace)["findings"][0]["title"] == "damaged shards"


def texts(path: Path, rows: list[tuple[str, ...]], columns: str = "text,label,split") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns.split(","), *rows])
    return path


def words(seed: int, count: int = 60) -> str:
    return " ".join(f"w{n}" for n in np.random.default_rng(seed).integers(0, 3000, count))


def test_texts_that_begin_alike_or_are_near_are_found_across_splits(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = [(words(n), "xy"[n % 2], "train" if n < 60 else "test") for n in range(100)]
    rows.append((words(0, 12) + " " + words(500), "y", "test"))  # begins as row 0, which is an x
    rows.append((words(1) + " and more", "y", "test"))  # row 1, a y
    rows.append(("?!…", "y", "train"))

    told = found(workspace, texts(tmp_path / "t.csv", rows))

    assert told["near duplicates of training samples in test"]["count"] == 1
    assert told["texts that begin alike"]["count"] == 4
    beginnings = told["beginnings of training samples in test"]
    assert beginnings["count"] == 2
    assert "is right for 50% of them" in beginnings["detail"]
    assert told["texts without words"]["count"] == 1


def test_drift_between_splits_and_since_another_version_is_told(workspace: Workspace, tmp_path: Path) -> None:
    def rows(first: int, count: int, length: int, split: str) -> list[tuple[str, ...]]:
        return [(words(n, length), "xy"[n % 2], split) for n in range(first, first + count)]

    found(workspace, texts(tmp_path / "t.csv", rows(0, 100, 30, "train") + rows(200, 60, 30, "test")))
    more = rows(0, 100, 30, "train") + rows(200, 60, 30, "test") + rows(300, 60, 90, "test")
    told = found(workspace, texts(tmp_path / "t.csv", [*more, (words(999), "z", "train")]), against="d@1")

    assert "chars: " in told["test differs from train"]["detail"]
    assert told["labels that d@1 lacks"]["detail"] == "'z'"
    assert "words: " in told["new samples differ from d@1"]["detail"]


def calls(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    sound = generator.normal(0, 0.01, 22050)
    for _ in range(12):
        start, time = generator.integers(0, 19000), np.arange(3000) / 11025
        sound[start : start + 3000] += (
            0.2 * np.hanning(3000) * np.sin(2 * np.pi * generator.uniform(500, 4000) * time)
        )
    return sound.astype(np.float32)


def test_recordings_that_are_silent_copied_or_cut_from_one_are_found(
    workspace: Workspace, tmp_path: Path
) -> None:
    for number in range(120):
        path = tmp_path / "s" / "ab"[number % 2] / f"rec{number // 4}_{number % 4}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, calls(number), 11025)
    soundfile.write(tmp_path / "s/a/copy_1.ogg", calls(0), 11025)
    soundfile.write(tmp_path / "s/a/quiet_1.wav", np.zeros(11025), 11025)

    told = found(workspace, tmp_path / "s")

    assert names(told["silent recordings"]) == [["quiet_1.wav"]]
    assert told["near duplicates"]["count"] == 2
    series = told["names that look like series"]
    assert "'rec" in series["detail"]
    assert "share theirs with training" in series["detail"]


def test_clips_with_a_group_are_no_series(workspace: Workspace, tmp_path: Path) -> None:
    rows: list[tuple[str, ...]] = []
    (tmp_path / "s").mkdir()
    for number in range(120):
        name = f"rec{number // 4}_{number % 4}.wav"
        soundfile.write(tmp_path / "s" / name, calls(number), 11025)
        rows.append((name, "ab"[number % 2], f"g{number // 4}"))
    texts(tmp_path / "s/t.csv", rows, "file,label,recording")

    loose = found(workspace, tmp_path / "s", quick=True)
    tied = found(
        Workspace(tmp_path / "other"),
        tmp_path / "s",
        quick=True,
        source_options=SourceOptions(group="recording"),
    )

    assert "a column that looks like a group" in loose
    assert not {"a column that looks like a group", "names that look like series"} & tied.keys()


def test_the_command_prints_writes_json_and_a_page_without_scripts(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "p")
    photo(folder / "test/cat/<script>alert(1)&.jpg", 1, quality=50)
    data_add(folder, workspace, name="d")
    page = tmp_path / "page.html"

    printed = holdfast("data", "check", "d", "--html", str(page), home=workspace.home).stdout
    told = answer("data", "check", "d", "--quick", home=workspace.home)

    assert "! near duplicates of training samples in test: 1 of 25" in printed
    assert told["findings"] == []
    assert told["labels"][0] == {"label": "cat", "train": 24, "valid": 12, "test": 13}
    assert "<td>13 (52.0%)</td>" in page.read_text(encoding="utf-8")
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&amp;.jpg" in html
    assert len(re.findall(r"<img[^>]+src=\"data:image/jpeg;base64,", html)) >= 2
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", html)


REAL = Path(__file__).resolve().parents[3] / "shared/data"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not beside the checkout")
class TestRealData:
    """What the README of the real sets says is wrong with them."""

    def test_brain_mri_has_twins_and_scans_of_one_head_across_its_split(self, workspace: Workspace) -> None:
        told = found(workspace, REAL / "brain_mri")

        assert told["copies of training samples"]["count"] == 181
        assert told["near duplicates of training samples in test"]["count"] == 20
        assert told["near duplicates with different labels"]["count"] == 2
        assert told["near duplicates"]["count"] == pytest.approx(485, abs=10)
        assert "labels: 'no_tumor' is 27%" in told["test differs from train"]["detail"]

    def test_animals_have_copies_under_two_labels_and_near_ones(self, workspace: Workspace) -> None:
        told = found(workspace, REAL / "animals")

        conflict = told["exact copies with different labels"]
        assert (told["exact copies"]["count"], conflict["count"]) == (55, 2)
        assert sorted(
            sorted(label for s in pair for label in s["labels"]) for pair in conflict["examples"]
        ) == [
            ["bison", "deer"],
            ["dog", "wolf"],
        ]
        assert told["near duplicates"]["count"] == pytest.approx(55, abs=4)

    def test_birds_leak_by_recording_unless_told(self, workspace: Workspace) -> None:
        told = found(workspace, REAL / "birds", quick=True)

        column = told["a column that looks like a group"]
        assert column["count"] == 52
        assert "188 of 188 test samples (100%)" in column["detail"]

    def test_names_of_birds_alone_tell_of_recordings(self, workspace: Workspace, tmp_path: Path) -> None:
        shutil.copytree(REAL / "birds", tmp_path / "b", ignore=shutil.ignore_patterns("*.csv"))

        told = found(workspace, tmp_path / "b", quick=True)

        assert told["names that look like series"]["count"] == 52

    def test_texts_go_back_to_the_same_beginnings(self, workspace: Workspace, tmp_path: Path) -> None:
        told = found(workspace, REAL / "ai_text/texts.csv")
        split_at_random = found(
            Workspace(tmp_path / "other"),
            REAL / "ai_text/texts.csv",
            source_options=SourceOptions(ignore=("group",)),
        )

        assert told["texts that begin alike"]["count"] == 1973
        assert "beginnings of training samples in test" not in told  # the groups keep them together
        assert split_at_random["beginnings of training samples in test"]["count"] > 250

    def test_faces_are_all_different(self, workspace: Workspace) -> None:
        told = found(workspace, REAL / "faces", source_options=SourceOptions(group="person_id"))

        assert told.keys() == {"uneven labels"}
