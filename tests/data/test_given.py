"""What becomes of a split that the source gives is told where it is not what one would expect."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow
import pytest

from holdfast.core.errors import DataError
from holdfast.data import splits as module
from holdfast.data.given import told_given
from holdfast.data.records import earlier_splits
from holdfast.data.splits import Columns, Earlier, Shares
from tests.data.test_splits import Sample, assign_splits, columns, version


def told(
    given: list[str],
    groups: list[str] | None = None,
    *,
    shares: Shares = Shares(),  # noqa: B008
    earlier: Earlier = Earlier(),  # noqa: B008
    fixed: bool = False,
) -> list[str]:
    digests = [f"{n:04}" for n in range(len(given))]
    rows = Columns(digests, [["x"]] * len(given), groups or [""] * len(given), given, fixed=fixed)
    return told_given(rows, module.assign_splits(rows, earlier, shares), shares)


def was(digests: list[str], split: str) -> Earlier:
    rows = [split] * len(digests)
    return Earlier(
        pyarrow.table({"digest": digests, "split": rows}), pyarrow.table({"group": digests, "split": rows})
    )


def test_nothing_is_said_where_no_split_is_given_or_a_whole_one_is_followed() -> None:
    assert told([""] * 20) == []
    assert told(["train", "valid", "test"] * 9) == []
    assert told(["train"] * 9, shares=Shares(0, 0)) == []
    assert told(["train"] * 9, fixed=True) == []


def test_what_is_cut_from_training_is_told_with_the_options_that_keep_it_there() -> None:
    assert told(["train"] * 100) == [
        "the source gives only train, so 10 samples for valid and 20 samples for test were cut from train; "
        "to keep all in training, begin a dataset with --test 0 --valid 0"
    ]
    assert told(["train"] * 70 + ["test"] * 20) == [
        "the source gives only train and test, so 9 samples for valid were cut from train; "
        "to keep all in training, begin a dataset with --valid 0"
    ]


def test_samples_that_earlier_versions_hold_back_from_training_are_told() -> None:
    (line,) = told(["train"] * 9 + ["valid", "test"], earlier=was(["0000", "0001"], "test"))

    assert line == "2 samples that the source gives as train stay in test, where an earlier version has them"


def test_empty_cells_are_told_with_where_their_samples_went() -> None:
    given = ["train"] * 4 + ["valid", "test"] + [""] * 3

    assert told(given) == ["the source gives no split for 3 of 9 samples; they went to 3 train"]


def test_groups_that_the_source_tears_are_counted_with_examples() -> None:
    groups = ["anna", "anna", "anna", "ben", "ben", "", "cleo"]
    given = ["train", "train", "test", "valid", "test", "train", "train"]

    assert told(given, groups) == [
        "2 of 3 groups stand in several splits, as the source gives them, so scores may be too good: "
        "'anna' (2 train, 1 test); 'ben' (1 valid, 1 test)"
    ]


def test_of_many_torn_groups_a_few_are_named() -> None:
    (line,) = told(["train", "valid", "test"] * 10, [f"g{n // 3}" for n in range(30)])

    assert line.startswith("10 of 10 groups stand in several splits")
    assert line.endswith("'g2' (1 train, 1 valid, 1 test); and 7 more")


def test_groups_that_earlier_versions_tear_are_told_as_such() -> None:
    rows = Columns(["a", "b"], [["x"], ["x"]], ["g", "g"], ["", ""])

    (line,) = told_given(rows, np.array([0, 2], np.int8), Shares())

    assert "1 of 1 groups stand in several splits, as in earlier versions" in line


def test_a_fixed_split_is_kept_to_the_letter_and_only_what_has_none_is_placed() -> None:
    found = [Sample(f"{n}", given="train") for n in range(50)]
    new = [Sample(f"new {n}") for n in range(50)]

    alone = module.assign_splits(replace(columns(found), fixed=True), Earlier(), Shares())
    both = module.assign_splits(replace(columns(found + new), fixed=True), Earlier(), Shares())

    assert set(alone) == {0}
    assert Counter(both[:50]) == {0: 50}
    assert Counter(both) == {0: 70, 1: 10, 2: 20}


def test_a_source_that_says_train_frees_no_sample_that_was_held_out() -> None:
    earlier = earlier_splits([version(["a", "b"], ["anna", "anna"], ["test", "train"])])
    found = [Sample("a", group="anna", given="train"), Sample("b", group="anna", given="train")]

    assert assign_splits(found, earlier, Shares(0, 0)) == ["test", "train"]


def test_after_a_source_tore_groups_the_refusal_says_what_goes_on() -> None:
    found = [Sample(f"{n}", group=f"g{n // 2}") for n in range(40)]
    torn = [replace(s, given=("train", "valid", "test")[n % 3]) for n, s in enumerate(found)]
    alone = [replace(s, group="") for s in found]
    tables = []
    for rows in (found, [replace(s, group="") for s in torn]):
        splits = assign_splits(rows, earlier_splits(tables), Shares())
        tables.append(version([s.digest for s in rows], [s.group or s.digest for s in rows], splits))
    earlier = earlier_splits(tables)

    with pytest.raises(DataError, match="the groups that they are in now lie in another split") as caught:
        assign_splits(found, earlier, Shares())

    assert "without --group" in (caught.value.hint or "")
    assert assign_splits(alone, earlier, Shares()) == splits
    assert "with --split" in (caught.value.hint or "")
    assert assign_splits(torn, earlier, Shares()) == splits
