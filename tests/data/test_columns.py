"""What each column of a table is taken for, and what is asked back."""

from pathlib import Path

import pytest

from holdfast.core.errors import DataError
from tests.data.test_layout import labels_by_name, plan, rows_of, touch, write_table


def test_a_group_of_one_value_stays_metadata_and_is_told(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ["text", "label", "group"], ["a", "x", "g"], ["b", "y", "g"])

    found = plan(path)

    assert [(row.group, row.meta) for row in rows_of(found)] == [("", {"group": "g"})] * 2
    assert "the column 'group' has one value only" in found.notes[0]
    assert [row.group for row in rows_of(plan(path, group="group"))] == ["g", "g"]


def test_columns_of_0_and_1_mean_many_labels(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.jpg", "images/2.jpg", "images/3.jpg")
    write_table(
        tmp_path / "attributes.csv",
        ["file", "Smiling", "Hat", "person_id"],
        ["1.jpg", 1, 0, 7],
        ["2.jpg", 1, "1.0", 7],
        ["3.jpg", -1, "", 8],
    )

    found = plan(tmp_path)

    assert (found.task, found.labels) == ("multi", ("Hat", "Smiling"))
    assert labels_by_name(found) == {"images/1.jpg": ("Smiling",), "images/2.jpg": ("Hat", "Smiling")}
    assert [q.reason for q in found.quarantined] == ["no value for 'Hat'"]
    assert "'person_id' looks like a group" in found.notes[0]
    assert rows_of(plan(tmp_path, group="person_id"))[0].group == "7"


def test_label_may_name_several_columns_and_ignore_may_name_one(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    write_table(tmp_path / "t.csv", ["file", "a", "b", "c"], ["1.jpg", 1, 0, 0], ["2.jpg", 0, 1, 1])

    assert plan(tmp_path, label="a,c").labels == ("a", "c")
    assert plan(tmp_path, label=("b", "c")).labels == ("b", "c")
    assert plan(tmp_path, ignore=("b",)).labels == ("a", "c")


FILES = ("1.jpg", "2.jpg", "3.jpg")


@pytest.mark.parametrize(
    ("header", "rows", "message", "hint"),
    [
        (["file", "label", "class"], [["1.jpg", "a", "b"]], "'label', 'class' may each be", "--label label"),
        (["file", "colour"], [["1.jpg", "red"], ["2.jpg", "blue"]], "no column is called label", "--label C"),
        (["file", "path", "label"], [["1.jpg", "2.jpg", "x"]], "'file', 'path' may each hold", "--file file"),
        (["text", "review", "label"], [["a", "b", "x"]], "'text', 'review' may each hold", "--text text"),
        (["file", "text", "label"], [["1.jpg", "b", "x"]], "name files and 'text' may hold", "--file COLUMN"),
        (["colour", "label"], [["red", "x"]], "no column names files", "--text COLUMN"),
        (["file", "label", "label"], [["1.jpg", "a", "b"]], "names columns twice: 'label'", "rename"),
        (["file", "label"], [], "has no rows", "header"),
        (["file", "label"], [["1.jpg", "a"]], "only one label, 'a'", "--label"),
        (["file", "target"], [["1.jpg", i / 7] for i in range(30)], "these are no classes", "--label COLUMN"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_asked_back(
    tmp_path: Path, header: list[str], rows: list[list[str]], message: str, hint: str
) -> None:
    touch(tmp_path, *FILES)
    write_table(tmp_path / "t.csv", header, *rows)

    with pytest.raises(DataError) as caught:
        plan(tmp_path)

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_the_message_shows_the_columns_with_values(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ["file", "colour"], ["1.jpg", "red"], ["2.jpg", "blue"])
    touch(tmp_path, *FILES)

    with pytest.raises(
        DataError, match=r"t.csv has 2 rows and these columns:\n  file: '1.jpg', '2.jpg'\n  colour: 'r"
    ):
        plan(path)


def test_a_misspelt_column_is_answered_with_the_right_one(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ["text", "label", "author"], ["a", "x", "me"], ["b", "y", "me"])

    with pytest.raises(DataError, match="did you mean 'author'") as caught:
        plan(path, group="auther")

    assert "--group names the column 'auther', which is not there" in caught.value.message


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ({"ignore": ("date",), "time": "date"}, "--time and --ignore"),
        ({"ignore": ("patient",), "group": "patient"}, "--group and --ignore"),
        ({"ignore": ("label",), "label": "label"}, "--label and --ignore"),
        ({"label": "patient", "group": "patient"}, "--label and --group"),
        ({"split": "date", "time": "date"}, "--split and --time"),
        ({"ignore": ("date",), "label": "patient, date"}, "--label and --ignore"),
    ],
)
def test_two_options_about_one_column_are_refused(
    tmp_path: Path, options: dict[str, object], who: str
) -> None:
    rows = [[f"t{n}", "xy"[n % 2], n // 2, "2024"] for n in range(8)]
    path = write_table(tmp_path / "t.csv", ["text", "label", "patient", "date"], *rows)

    with pytest.raises(DataError, match=f"{who} both name the column"):
        plan(path, **options)


def test_samples_of_one_day_may_stay_together(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ["text", "label", "day"], ["a", "x", "2024"], ["b", "y", "2025"])

    found = rows_of(plan(path, group="day", time="day"))

    assert [(row.group, row.meta) for row in found] == [(day, {"day": day}) for day in ("2024", "2025")]


@pytest.mark.parametrize("option", ["split", "group", "time"])
def test_an_option_that_names_the_label_says_that_it_is_the_label(tmp_path: Path, option: str) -> None:
    path = write_table(tmp_path / "t.csv", ["text", "label", "n"], ["a", "x", "3"], ["b", "y", "4"])

    with pytest.raises(DataError, match=f"--{option} names the column 'label', which is the label") as caught:
        plan(path, **{option: "label"})

    assert "--label COLUMN" in (caught.value.hint or "")
    if option != "split":
        assert plan(path, **{option: "label", "label": "n"}).labels == ("3", "4")
