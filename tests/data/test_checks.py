"""Each finding is found, and nothing is found in good data."""

import csv
from collections.abc import Sequence
from pathlib import Path

from holdfast.core.refs import parse_ref
from holdfast.data import Finding, SourceOptions, check, ingest, open_version


def findings(
    folder: Path, rows: Sequence[Sequence[str]], columns: str = "text label", **options: str
) -> dict[str, Finding]:
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(), *rows])
    ingest(folder / "t.csv", folder / "root", "t", options=SourceOptions(**options), probe=lambda m, d: {})  # type: ignore[arg-type]
    with open_version(folder / "root", parse_ref("t")) as version:
        return {finding.title: finding for finding in check(version)}


def good(count: int = 100) -> list[list[str]]:
    return [[f"{label} {number}", label] for number in range(count) for label in ("x", "y")]


def test_good_data_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, good()) == {}


def test_copies_under_different_labels_are_an_error(tmp_path: Path) -> None:
    found = findings(tmp_path, [*good(), ["x 1", "y"]])["exact copies with different labels"]

    assert (found.level, found.count) == ("error", 1)
    assert "row 3 (x)" in found.detail
    assert "row 201 (y)" in found.detail


def test_copies_under_one_label_are_counted(tmp_path: Path) -> None:
    extra = [["x 1", "x"], ["x 1", "x"], ["y 2", "y"], ["y 3", "x"]]

    found = findings(tmp_path, [*good(), *extra])["exact copies"]

    assert (found.level, found.count) == ("info", 3)
    assert "5 samples in 2 groups are exact copies under the same labels" in found.detail
    assert "the largest group has 3" in found.detail
    assert sorted(map(len, found.examples)) == [2, 3]


def test_training_need_not_read_every_shard_to_know_the_rest(tmp_path: Path) -> None:
    findings(tmp_path, [*good(), ["x 1", "y"]])
    for shard in (tmp_path / "root").rglob("*.tar"):
        shard.unlink()

    with open_version(tmp_path / "root", parse_ref("t")) as version:
        every, some = ([finding.title for finding in check(version, shards=read)] for read in (True, False))

    assert every == ["damaged shards", "exact copies with different labels"]
    assert some == ["exact copies with different labels"]


def test_given_splits_that_leak_are_found(tmp_path: Path) -> None:
    rows = [[*row, "train" if n < 150 else "test", f"g{n // 4}"] for n, row in enumerate(good())]
    rows.append(["x 1", "x", "test", "g150"])

    found = findings(tmp_path, rows, "text label split group")

    assert found["groups in several splits"].level == "error"
    assert "'g37'" in found["groups in several splits"].detail
    assert found["copies of training samples"].count == 1
    assert "1 of 51 test samples" in found["copies of training samples"].detail


def test_labels_that_a_split_lacks_or_hardly_has_are_found(tmp_path: Path) -> None:
    rows = [[*row, "train" if n < 150 else "test"] for n, row in enumerate(good())]
    rows += [["z 1", "z", "test"], ["w 1", "w", "train"], ["w 2", "w", "train"]]

    found = findings(tmp_path, rows, "text label split")

    assert (found["labels missing in train"].level, found["labels missing in train"].detail[:3]) == (
        "error",
        "'z'",
    )
    assert found["labels missing in test"].detail.startswith("'w'")
    assert found["labels with few samples in train"].detail == "'w (2)'"
    assert "uneven labels" in found


def test_what_smells_of_a_group_is_found_unless_one_was_given(tmp_path: Path) -> None:
    rows = [[*row, f"p{n % 30}"] for n, row in enumerate(good())]

    loose = findings(tmp_path, rows, "text label patient_id")
    (tmp_path / "again").mkdir()
    tied = findings(tmp_path / "again", rows, "text label patient_id", group="patient_id")

    assert loose["a column that looks like a group"].count == 30
    assert tied == {}


def test_a_few_recordings_of_several_clips_each_are_found(tmp_path: Path) -> None:
    for n in range(72):  # 18 recordings of 4 clips
        path = tmp_path / "s" / "xyz"[n // 4 % 3] / f"rec{n // 4}_{n % 4}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(n).encode())

    def series(name: str, **options: str) -> bool:
        chosen = SourceOptions(**options)  # type: ignore[arg-type]
        ingest(tmp_path / "s", tmp_path / "root", name, options=chosen, probe=lambda m, d: {"format": "wav"})
        with open_version(tmp_path / "root", parse_ref(name)) as version:
            return any("names that look like series" in finding.title for finding in check(version))

    assert series("loose")
    assert not series("tied", group_name=r"rec\d+")


def test_few_groups_and_quarantine_are_found(tmp_path: Path) -> None:
    rows = [[*row, f"{row[1]}{n % 4 // 2}"] for n, row in enumerate(good())]

    found = findings(tmp_path, [*rows, ["", "x", "x1"]], "text label group")

    assert found["labels with fewer than 3 groups"].detail == "'x (2)', 'y (2)'"
    assert found["samples that were left out"].count == 1


def test_damaged_shards_are_an_error_that_names_them(tmp_path: Path) -> None:
    findings(tmp_path, good())
    (shard,) = (tmp_path / "root/t/shards").glob("*.tar")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1  # in no sample
    shard.write_bytes(data)
    with open_version(tmp_path / "root", parse_ref("t")) as version:
        found = check(version)[0]
        shard.unlink()
        gone = check(version)[0]

    assert (found.level, found.title, found.count) == ("error", "damaged shards", 1)
    assert shard.name in found.detail
    assert "holdfast data add SOURCE --name t" in found.detail
    assert gone == found


def test_labels_that_differ_in_case_or_blanks_are_found(tmp_path: Path) -> None:
    rows = [*good(), *([f"{label} {n}", label] for n in range(100) for label in ("X", "x x", "xX"))]

    found = findings(tmp_path, rows)["labels that look alike"]

    assert (found.level, found.count) == ("warning", 2)
    assert "'X' / 'x'" in found.detail.replace('"', "")
    assert "'x x' / 'xX'" in found.detail.replace('"', "")
