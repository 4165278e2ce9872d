"""What is found in a source, and what is asked back when it can be read in two ways."""

import csv
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pyarrow
import pytest
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.data.layout import plan_source
from holdfast.data.plan import META, Plan, SourceOptions
from holdfast.data.source import open_source


def plan(source: Path, **options: object) -> Plan:
    chosen = SourceOptions(**options)  # type: ignore[arg-type]
    with open_source(source, ignore=chosen.ignore) as opened:
        return plan_source(opened, chosen)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def write_table(path: Path, header: Sequence[str], *rows: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def rows_of(found: Plan) -> list[SimpleNamespace]:
    rows = []
    for row in found.rows.to_pylist():
        meta = {name.removeprefix(META): value for name, value in row.items() if name.startswith(META)}
        text = row.get("text", b"").decode("utf-8", "surrogatepass")
        own = {name: row[name] for name in ("name", "group", "split")}
        rows.append(SimpleNamespace(**own, labels=tuple(row["labels"]), text=text, meta=meta))
    return rows


def labels_by_name(found: Plan) -> dict[str, tuple[str, ...]]:
    return {row.name: row.labels for row in rows_of(found)}


def test_a_folder_per_class_names_the_labels(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1 (a) [b].jpg", "dog/ü.png", "dog/2.JPG", "README.md", ".DS_Store", "dog/Thumbs.db")

    found = plan(tmp_path)

    assert labels_by_name(found) == {
        "cat/1 (a) [b].jpg": ("cat",),
        "dog/ü.png": ("dog",),
        "dog/2.JPG": ("dog",),
    }
    assert (found.modality, found.task, found.labels) == ("image", "single", ("cat", "dog"))
    assert found.notes == ["3 hidden or ignored files were left out"]


def test_train_and_test_folders_give_splits_above_or_below_the_classes(tmp_path: Path) -> None:
    touch(tmp_path / "above", "Training/cat/1.wav", "val/dog/1.wav", "testing/cat/2.wav")
    touch(tmp_path / "below", "cat/Training/1.wav", "dog/val/1.wav", "cat/testing/2.wav")

    above, below = plan(tmp_path / "above"), plan(tmp_path / "below")

    wanted = [("cat", "test"), ("cat", "train"), ("dog", "valid")]
    for found in (above, below):
        assert sorted((row.labels[0], row.split) for row in rows_of(found)) == wanted


def test_a_lone_folder_called_train_gives_no_split_and_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg")

    found = plan(tmp_path)
    whole = plan(tmp_path, test_share=0, valid_share=0)

    assert {row.split for row in rows_of(found)} == {""}
    assert found.notes == [
        "all files lie in the folder 'train', yet train, valid and test are cut from them; "
        "keep all in train with --test 0 --valid 0"
    ]
    assert whole.notes == []


def test_split_folders_that_a_table_does_not_speak_of_are_told(tmp_path: Path) -> None:
    files = ["train/1.jpg", "train/2.jpg", "test/3.jpg"]
    touch(tmp_path / "silent", *files)
    touch(tmp_path / "told", *files)
    write_table(tmp_path / "silent/labels.csv", ["file", "label"], *zip(files, "abb", strict=True))
    rows = zip(files, "abb", ("train", "train", "test"), strict=True)
    write_table(tmp_path / "told/labels.csv", ["file", "label", "split"], *rows)

    silent, told = plan(tmp_path / "silent"), plan(tmp_path / "told")

    assert {row.split for row in rows_of(silent)} == {""}
    assert silent.notes == [
        "the files lie in the folders 'test', 'train', yet train, valid and test are cut anew, because "
        "labels.csv says no split; keep them by a column called split"
    ]
    assert told.notes == []


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    found = plan(touch(tmp_path, "train/1.jpg", "plane/1.jpg"))

    assert found.labels == ("plane", "train")
    assert {row.split for row in rows_of(found)} == {""}


def test_folders_around_the_classes_do_not_matter(tmp_path: Path) -> None:
    assert plan(touch(tmp_path, "data/v1/cat/1.jpg", "data/v1/dog/1.jpg")).labels == ("cat", "dog")


def test_files_outside_of_class_folders_are_quarantined_and_deeper_ones_are_said_aloud(
    tmp_path: Path,
) -> None:
    found = plan(touch(tmp_path, "cat/1.jpg", "cat/old/2.jpg", "dog/1.jpg", "cover.jpg"))

    assert [(item.name, item.reason) for item in found.quarantined] == [
        ("cover.jpg", "lies in no folder of a class")
    ]
    assert "1 files lie in folders within a class folder" in found.notes[0]


def test_a_table_beside_files_says_labels_groups_splits_and_the_rest(tmp_path: Path) -> None:
    touch(tmp_path, "images/a b.jpg", "images/c.jpg", "images/extra.jpg")
    write_table(
        tmp_path / "labels.csv",
        ["file", "Label", "group", "Split", "camera"],
        ["a b.jpg", "cat", "g1", "Train", "x"],
        [r".\images\c.jpg", "dog", "g2", "val", "y"],
        ["gone.jpg", "dog", "g2", "val", "y"],
        ["images/extra.jpg", "", "g2", "val", "y"],
    )

    found = plan(tmp_path)

    assert [(r.name, r.labels, r.group, r.split, dict(r.meta)) for r in rows_of(found)] == [
        ("images/a b.jpg", ("cat",), "g1", "train", {"camera": "x"}),
        ("images/c.jpg", ("dog",), "g2", "valid", {"camera": "y"}),
    ]
    assert {(q.name, q.reason) for q in found.quarantined} == {
        ("gone.jpg", "file is missing"),
        ("images/extra.jpg", "no label"),
    }
    assert "1 files are not used" in found.notes[0]
    assert "images/extra.jpg" in found.notes[0]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_of_texts_may_have_any_form(tmp_path: Path, suffix: str) -> None:
    rows = [{"id": 3, "text": 'a "b", c\nd', "label": "x"}, {"id": 4, "text": "ü", "label": "y"}]
    path = tmp_path / f"texts{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    elif suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ";")
            writer.writerows([list(rows[0]), *(row.values() for row in rows)])

    for source in (path, tmp_path):
        found = plan(source)

        assert [(row.name, row.text, row.labels) for row in rows_of(found)] == [
            (f"texts{suffix}#3", 'a "b", c\nd', ("x",)),
            (f"texts{suffix}#4", "ü", ("y",)),
        ]


def test_tables_called_train_and_test_give_splits(tmp_path: Path) -> None:
    write_table(tmp_path / "train.csv", ["text", "label"], ["a", "x"], ["b", "y"])
    write_table(tmp_path / "test.csv", ["text", "label"], ["c", "x"])

    assert [(row.text, row.split) for row in rows_of(plan(tmp_path))] == [
        ("c", "test"),
        ("a", "train"),
        ("b", "train"),
    ]


def test_unicode_forms_of_a_name_are_one_name(tmp_path: Path) -> None:
    long, short = unicodedata.normalize("NFD", "grün/ä.jpg"), unicodedata.normalize("NFC", "ä.jpg")
    touch(tmp_path, long, "rot/b.jpg")

    by_folder = plan(tmp_path)
    write_table(tmp_path / "t.csv", ["file", "label"], [short, "x"], ["b.jpg", "y"])
    by_table = plan(tmp_path)

    assert by_folder.labels == (unicodedata.normalize("NFC", "grün"), "rot")
    assert [row.labels for row in rows_of(by_table)] == [("x",), ("y",)]


def test_a_missing_file_is_not_taken_from_another_folder(tmp_path: Path) -> None:
    touch(tmp_path, "dog/1.jpg", "dog/2.jpg", "cat/2.jpg", "cat/3.jpg")
    write_table(
        tmp_path / "t.csv",
        ["file", "label"],
        ["cat/1.jpg", "cat"],
        ["/home/me/dog/2.jpg", "dog"],
        ["cat/3", "cat"],
        ["2.jpg", "cat"],
        ["../../etc/passwd", "cat"],
    )

    found = plan(tmp_path, file="file", label="label")

    assert labels_by_name(found) == {"dog/2.jpg": ("dog",), "cat/3.jpg": ("cat",)}
    assert {(q.name, q.reason) for q in found.quarantined} == {
        ("cat/1.jpg", "file is missing"),
        ("2.jpg", "several files have this name: 'cat/2.jpg', 'dog/2.jpg'"),
        ("../../etc/passwd", "file is missing"),
    }


def test_lines_that_do_not_fit_the_header_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\na,x\nb,y\nc,d,x\n\n")

    assert [(q.name, q.reason) for q in plan(path).quarantined] == [
        ("t.csv line 4", "3 values for 2 columns")
    ]


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (["a/1.jpg", "b/2.wav"], "files of several kinds: 1 image files (.jpg), 1 audio", "--ignore '*.wav'"),
        (["a/1.jpg", "a/2.png", "b/2.wav", "b/3.txt"], "several kinds: 2 image", "'*.wav' --ignore '*.txt'"),
        (["a/1.jpg", "a/2.jpg", "b/2.WAV"], "several kinds: 2 image", "--ignore '*.WAV'"),
        (["train/a/1.jpg", "val/b/1.jpg", "o o/1.jpg", "p/1.jpg"], "others: 'o o", "'o o' --ignore p"),
        (["1.jpg", "2.jpg"], "lie in no folder of a class", "folder per class"),
        (["a.doc", "b.doc"], "seen: 2 × .doc", "folder per class"),
        ([], "seen: nothing", "folder per class"),
        (["train/a/1.jpg", "test/b/1.jpg", "old/1.jpg"], "there are others: 'old (1 files)'", "--ignore old"),
    ],
)
def test_folders_that_make_no_sense_are_shown(
    tmp_path: Path, names: list[str], message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        plan(touch(tmp_path, *names))

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_ignore_settles_what_was_ambiguous(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/b/1.jpg", "old/1.jpg", "train/a/1.txt")

    assert len(rows_of(plan(tmp_path, ignore=("old/", "*.txt")))) == 3


def test_several_tables_are_listed(tmp_path: Path) -> None:
    for name in ("one.csv", "three.csv", "two.csv"):
        write_table(tmp_path / name, ["text", "label"], ["a", "x"], ["b", "y"])

    with pytest.raises(DataError, match=r"there are 3 tables: 'one.csv', 'three.csv', 'two.csv'") as caught:
        plan(tmp_path)

    assert "--ignore three.csv --ignore two.csv" in (caught.value.hint or "")


def test_an_option_for_columns_without_a_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--group person speaks of a table, but there is none"):
        plan(touch(tmp_path, "a/1.jpg", "b/1.jpg"), group="person")


@pytest.mark.parametrize("option", ["label", "group", "file", "text", "split", "time"])
def test_every_option_that_names_a_column_is_refused_for_folders(tmp_path: Path, option: str) -> None:
    with pytest.raises(DataError, match=f"--{option} person speaks of a table, but there is none"):
        plan(touch(tmp_path, "a/1.jpg", "b/1.jpg"), **{option: "person"})


def test_an_ignore_that_leaves_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="seen: nothing; 2 hidden or ignored files were left out"):
        plan(touch(tmp_path, "a/1.jpg", "b/1.jpg"), ignore=("*",))


@pytest.mark.parametrize("pattern", ["*", "t.csv", "lable"])
def test_an_ignore_that_can_do_nothing_with_a_lone_table_is_an_error(tmp_path: Path, pattern: str) -> None:
    path = write_table(tmp_path / "t.csv", ["text", "label", "note"], ["a", "x", 1], ["b", "y", 2])

    with pytest.raises(DataError, match="names no column, and the source is one table") as caught:
        plan(path, ignore=("note", pattern))

    assert ("did you mean 'label'" in (caught.value.hint or "")) == (pattern == "lable")
    assert rows_of(plan(path, ignore=("note",)))[0].meta == {}


def test_a_table_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("text,label\na,x\nü,y\n".encode("latin-1"))

    with pytest.raises(DataError, match=r"t.csv line 3 is not UTF-8 text: byte 0xfc"):
        plan(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('text,label\n"one,a\ntwo,b\nthree,a\n', 2),
        ('text,label\none,a\n"two,b\nthree,a', 3),
        ('text,label\none,a\n"two,b\n"three",a\nfour,b\n', 3),
        ('text,"label\none,a\ntwo,b\n', 1),
        ('text,label\none,a\ntwo,b\n"', 4),
        ('text,label\r\none,a\r\n"two,b\r\n', 3),
        ('text\tlabel\n"one\ta\ntwo\tb\n', 2),
    ],
)
def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode())

    with pytest.raises(DataError, match=f"a quote opened in line {line} is never closed"):
        plan(tmp_path / "t.csv")


def test_quotes_that_are_closed_may_hold_lines_and_others_may_be_sloppy(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        'text,label\n"one\nand ""a"" half",a\n5" pipe,b\n"6" pipe,b\nlast,"a"', encoding="utf-8"
    )

    texts = [row.text for row in rows_of(plan(tmp_path / "t.csv"))]

    assert texts == ['one\nand "a" half', '5" pipe', "6 pipe", "last"]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [("patiemt", "did you mean 'patient'?"), ("fotos/", "did you mean 'photos'?"), ("*.xyz", "leave it out")],
)
def test_an_ignore_that_matches_nothing_is_an_error(tmp_path: Path, pattern: str, hint: str) -> None:
    touch(tmp_path, "photos/1.jpg", "photos/2.jpg", "notes.md", ".git/config")
    write_table(tmp_path / "t.csv", ["file", "label", "patient"], ["1.jpg", "a", 1], ["2.jpg", "b", 2])

    with pytest.raises(DataError, match="matches no file, folder or column") as caught:
        plan(tmp_path, ignore=("patient", "notes.md", pattern))

    assert repr(pattern) in caught.value.message
    assert "notes.md" not in caught.value.message
    assert hint in (caught.value.hint or "")
    assert len(rows_of(plan(tmp_path, ignore=("patient", "./notes.md", ".git")))) == 2


@pytest.mark.parametrize(
    "names",
    [["disc/1.png", "disc/2.png"], ["a/disc/1.png", "a/disc/2.png"], ["disc/train/1.png", "disc/test/2.png"]],
)
def test_one_class_is_too_few(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(DataError, match="only one class, 'disc'; a classifier needs two"):
        plan(touch(tmp_path, *names))


def test_files_without_any_class_are_not_called_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lie in no folder of a class"):
        plan(touch(tmp_path, "train/1.png", "train/2.png"))


def test_errors_about_a_table_say_which_rows_were_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    write_table(tmp_path / "t.csv", ["file", "label"], ["1.jpg", "a"], ["2.jpg", ""], ["1.jpg", "a", "b"])
    (tmp_path / "short.csv").write_text("text,label\na,b,c\nd\n")

    with pytest.raises(DataError, match="only one label, 'a'") as one:
        plan(tmp_path, ignore=("short.csv",))
    with pytest.raises(DataError, match=r"short.csv has no rows") as none:
        plan(tmp_path / "short.csv")

    assert "2 samples cannot be used: no label (1); 3 values for 2 columns (1)" in one.value.message
    assert "3 values for 2 columns (1); 1 values for 2 columns (1)" in none.value.message
