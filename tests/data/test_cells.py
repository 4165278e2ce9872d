"""Cells that hold several labels are told from those that hold one, and taken apart."""

import json
from pathlib import Path

import pytest

from holdfast.core.errors import DataError
from holdfast.data.cells import LISTS, labels_in, separator
from tests.data.test_layout import plan, rows_of, write_table

TAGGED = (["a", "red|round"], ["b", "round | dark"], ["c", "red"], ["d", ""])


def tagged(folder: Path, column: str = "label") -> Path:
    return write_table(folder / "tagged.csv", ["text", column], *TAGGED)


@pytest.mark.parametrize("column", ["label", "tags"])
def test_cells_that_seem_to_hold_several_labels_are_asked_about(tmp_path: Path, column: str) -> None:
    with pytest.raises(DataError, match=r"hold several labels: 'red\|round', 'round \| dark'") as caught:
        plan(tagged(tmp_path, column), label=column)

    assert "--between '|'" in str(caught.value.hint)


def test_between_takes_cells_apart_and_an_empty_one_has_no_label(tmp_path: Path) -> None:
    found = plan(tagged(tmp_path), between="|")

    assert (found.task, found.labels) == ("multi", ("dark", "red", "round"))
    assert [row.labels for row in rows_of(found)] == [("red", "round"), ("dark", "round"), ("red",), ()]
    assert found.notes == ["1 cells of 'label' are empty: samples that have none of the labels"]


def test_an_empty_between_keeps_each_cell_one_label(tmp_path: Path) -> None:
    found = plan(tagged(tmp_path), between="")

    assert (found.task, found.labels) == ("single", ("red", "red|round", "round | dark"))


def test_many_combinations_are_no_reason_to_refuse_the_column(tmp_path: Path) -> None:
    rows = [[f"text {n}", " ".join(f"t{bit}" for bit in range(5) if n >> bit & 1)] for n in range(1, 32)]
    path = write_table(tmp_path / "t.csv", ["text", "label"], *rows)

    with pytest.raises(DataError, match="these are no classes") as caught:
        plan(path)

    assert "--between" in str(caught.value.hint)
    assert plan(path, between=" ").labels == ("t0", "t1", "t2", "t3", "t4")


def test_lists_in_json_lines_are_many_labels(tmp_path: Path) -> None:
    rows = [("a", ["red", "round"]), ("b", []), ("c", ["red"]), ("d", None), ("e", ["2"])]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"text": text, "labels": labels}) + "\n" for text, labels in rows))

    found = plan(path)

    assert (found.task, found.labels) == ("multi", ("2", "red", "round"))
    assert [row.labels for row in rows_of(found)] == [("red", "round"), (), ("red",), ("2",)]
    assert [item.reason for item in found.quarantined] == ["no label"]


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        (["text", "label"], {"between": ";"}, "--between ';' stands in no cell of 'label'"),
        (["text", "a", "b"], {"between": "|", "label": "a,b"}, "'a', 'b' are several columns"),
    ],
)
def test_a_between_that_fits_nothing_is_refused(
    tmp_path: Path, header: list[str], options: dict[str, str], message: str
) -> None:
    path = write_table(
        tmp_path / "t.csv", header, ["x", "1", "0"][: len(header)], ["y", "0", "1"][: len(header)]
    )

    with pytest.raises(DataError, match=message):
        plan(path, **options)


def test_between_without_a_table_is_refused(tmp_path: Path) -> None:
    for name in ("cat/1.txt", "dog/1.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)

    with pytest.raises(DataError, match="speaks of a table, but there is none"):
        plan(tmp_path, between="|")


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["a|b", "b|a", "a", "b"], "|"),
        (["a;b", "b;c", "a;c", "a;b;c"], ";"),
        (["a, b", "b, a", "a"], ","),
        (['["a"]', "[]", ""], LISTS),
        (["Paris, Texas", "Paris, France", "Rome, Italy"], None),  # names with a comma
        (["Paris, Texas", "Paris, France", "Paris"], None),
        (["cat, in", "cat, out", "dog, in", "dog, out", "owl, in", "owl, out"], None),  # no part alone
        (["[1", "[2"], None),
        (["a|b", "c"], None),
        (["1", "2"], None),
        ([], None),
    ],
)
def test_a_sign_is_between_labels_where_cells_share_parts(cells: list[str], sign: str | None) -> None:
    assert separator(cells) == sign


def test_lists_within_lists_are_no_labels() -> None:
    assert labels_in("[" * 100_000, LISTS) is None
    assert separator(["[" * 100_000]) is None
