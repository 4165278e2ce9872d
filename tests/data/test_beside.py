"""Labels from folders, and the rest from a table beside them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from holdfast.core.errors import DataError
from holdfast.data.layout import plan_source
from holdfast.data.plan import Plan, SourceOptions
from holdfast.data.source import open_source

CLIPS = ("barn_owl/a.wav", "barn_owl/b.wav", "wren/c.wav", "wren/d.wav")


def plan(source: Path, **options: object) -> Plan:
    chosen = SourceOptions(**options)  # type: ignore[arg-type]
    with open_source(source, ignore=chosen.ignore) as opened:
        return plan_source(opened, chosen)


def clips(folder: Path, table: Sequence[str], names: Sequence[str] = CLIPS) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "meta.csv").write_text("\n".join(table))
    return folder


def rows_of(found: Plan) -> list[tuple[str, list[str], str, str]]:
    rows = found.rows.select(["name", "labels", "group", "split"]).to_pylist()
    return sorted((row["name"], row["labels"], row["group"], row["split"]) for row in rows)


TABLE = ("file,recording,place", "a.wav,r1,x", "barn_owl/b.wav,r1,x", "c.wav,r2,y", "gone.wav,r2,y")


def test_folders_are_the_labels_where_the_table_beside_says_none(tmp_path: Path) -> None:
    found = plan(clips(tmp_path, TABLE), group="recording")

    assert rows_of(found) == [
        ("barn_owl/a.wav", ["barn_owl"], "r1", ""),
        ("barn_owl/b.wav", ["barn_owl"], "r1", ""),
        ("wren/c.wav", ["wren"], "r2", ""),
    ]
    assert found.labels == ("barn_owl", "wren")
    assert found.rows.column("meta.place").to_pylist() == ["x", "x", "y"]
    assert [(item.name, item.reason) for item in found.quarantined] == [("gone.wav", "file is missing")]
    labels, unnamed = found.notes
    assert labels.startswith("the labels are the folders of the files, 'barn_owl', 'wren'")
    assert unnamed == "1 files are not used, because no good row of meta.csv names them: 'wren/d.wav'"


def test_a_group_that_was_not_named_is_offered(tmp_path: Path) -> None:
    notes = plan(clips(tmp_path, TABLE)).notes

    assert any("use --group recording to split by it" in note for note in notes)


def test_split_folders_around_the_labels_still_say_the_split(tmp_path: Path) -> None:
    folders = ("train/owl", "train/wren", "test/owl", "test/wren")
    names = [f"{folder}/{n}.wav" for n, folder in enumerate(folders)]
    table = ["file,recording", *(f"{name},r{n}" for n, name in enumerate(names))]

    found = plan(clips(tmp_path, table, names), group="recording")

    assert [row[1:] for row in rows_of(found)] == [
        (["owl"], "r2", "test"),
        (["wren"], "r3", "test"),
        (["owl"], "r0", "train"),
        (["wren"], "r1", "train"),
    ]


def test_a_column_of_labels_counts_for_more_than_the_folders(tmp_path: Path) -> None:
    table = ["file,label,recording", *(f"{name},{'xy'[n % 2]},r" for n, name in enumerate(CLIPS))]

    assert plan(clips(tmp_path, table)).labels == ("x", "y")
    assert plan(tmp_path, ignore=("label",)).labels == ("barn_owl", "wren")


def test_a_name_that_several_files_have_is_an_error(tmp_path: Path) -> None:
    names = ("owl/1.wav", "wren/1.wav")

    with pytest.raises(DataError, match="may mean one file or another: several files have this name") as told:
        plan(clips(tmp_path, ["file,recording", "1.wav,r1", "wren/1.wav,r2"], names))

    assert "write the path in 'file'" in str(told.value.hint)


def test_columns_of_0_and_1_beside_folders_are_asked_about(tmp_path: Path) -> None:
    table = ["file,noisy,indoor", *(f"{name},{n % 2},{n // 2}" for n, name in enumerate(CLIPS))]

    with pytest.raises(DataError, match="'barn_owl', 'wren' may be the labels, and so may") as told:
        plan(clips(tmp_path, table))

    assert told.value.hint == (
        "say which: --label noisy,indoor takes the columns, --ignore noisy --ignore indoor the folders"
    )
    assert plan(tmp_path, label="noisy,indoor").labels == ("indoor", "noisy")
    assert plan(tmp_path, ignore=("noisy", "indoor")).labels == ("barn_owl", "wren")


def test_a_table_of_a_few_files_is_asked_about(tmp_path: Path) -> None:
    clips(tmp_path, ["file,why", "a.wav,noisy", "c.wav,cut"], [*CLIPS, "wren/e.wav"])

    with pytest.raises(DataError, match=r"meta\.csv names 2 of 5 files and says no label") as told:
        plan(tmp_path)

    assert told.value.hint == (
        "take all files, by their folders alone: --ignore meta.csv; or only those that it names: --file file"
    )
    assert len(plan(tmp_path, ignore=("meta.csv",)).rows) == 5
    assert len(plan(tmp_path, file="file").rows) == 2
