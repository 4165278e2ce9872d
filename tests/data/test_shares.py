"""The shares that were reached are told where they are not those asked for, with the reason."""

import numpy as np
import pyarrow

from holdfast.data.shares import told_shares
from holdfast.data.splits import Columns, Earlier, Shares, assign_splits


def told(
    groups: list[str],
    *,
    shares: Shares = Shares(),  # noqa: B008
    earlier: Earlier = Earlier(),  # noqa: B008
    digests: list[str] | None = None,
    given: list[str] | None = None,
    times: np.ndarray | None = None,
) -> list[str]:
    digests = digests or [f"{n:04}" for n in range(len(groups))]
    columns = Columns(digests, [["x"]] * len(groups), groups, given or [""] * len(groups), times)
    return told_shares(columns, assign_splits(columns, earlier, shares), earlier, shares)


def earlier_of(digests: list[str], split: str) -> Earlier:
    rows = [split] * len(digests)
    return Earlier(
        pyarrow.table({"digest": digests, "split": rows}), pyarrow.table({"group": digests, "split": rows})
    )


def test_nothing_is_said_of_shares_that_are_as_asked_for() -> None:
    assert told([""] * 100) == []


def test_a_group_that_is_too_large_is_named_with_its_share() -> None:
    assert told(["anna"] * 60 + ["ben"] * 20 + ["cleo"] * 20) == [
        "valid holds 20.0 % of the samples, not 10.0 %: of 3 groups the largest, 'anna', holds 60.0 %"
    ]


def test_groups_that_copies_tie_together_are_told_as_such() -> None:
    digests = ["same", "same", *(f"{n}" for n in range(98))]
    groups = ["anna", "ben", *["anna"] * 40, *["ben"] * 38, *["cleo"] * 20]

    (line,) = told(groups, digests=digests, shares=Shares(valid=0, test=0.4))[1:]

    assert line.endswith(
        "of 2 groups the largest, 'anna', … (2 in all) (tied together by exact copies), holds 80.0 %"
    )


def test_an_empty_split_says_why() -> None:
    none = "no sample is in valid: "
    assert told(["a", "b"])[0] == f"{none}there are only 2 groups"
    assert told([""] * 100, shares=Shares(valid=0)) == [f"{none}its share is 0"]
    assert told([""] * 9, times=np.array([1, 2] * 4 + [2]))[0] == f"{none}there are only 2 different times"
    assert told(
        ["a", "a", "b", "c", "d"], shares=Shares(valid=0.1), earlier=earlier_of(["a", "b", "c", "d"], "test")
    )[1] == (f"{none}its share of 10.0 % is less than one of 4 groups")
    assert told([""] * 30, earlier=earlier_of([f"{n:04}" for n in range(30)], "train"))[0] == (
        "no sample is in valid: no group was left for it"
    )


def test_few_samples_are_a_reason() -> None:
    why = "there are only 4 samples, and each label is to be in each split"

    assert told([""] * 4) == [
        f"test holds 25.0 % of the samples, not 20.0 %: {why}",
        f"valid holds 25.0 % of the samples, not 10.0 %: {why}",
    ]


def test_times_that_decide_nothing_are_told() -> None:
    given = ["train"] * 60 + ["valid"] * 20 + ["test"] * 20

    assert told([""] * 100, given=given, times=np.arange(100)) == [
        "the times decide nothing, because the source or the shares leave no choice"
    ]


def test_what_the_source_gives_is_not_measured() -> None:
    assert told([""] * 100, given=["train"] * 40 + ["valid"] * 20 + ["test"] * 40) == []


def test_many_samples_of_one_moment_are_a_reason() -> None:
    years = [2019.0] * 20 + [2020.0] * 30 + [2021.0] * 50
    why = (
        "test holds 50.0 % of the samples, not 20.0 %: what is equally new stays together, and 50.0 % is from"
    )

    assert told([""] * 100, times=np.array(years))[0] == f"{why} 2021"
    dates = np.array([f"{year:.0f}-01-01" for year in years], "datetime64[us]")
    assert told([""] * 100, times=dates)[0] == f"{why} 2021-01-01T00:00:00"


def test_old_samples_that_stay_are_a_reason() -> None:
    old = [f"{n:04}" for n in range(90)]

    lines = told([""] * 100, earlier=earlier_of(old, "train"))

    assert lines[0] == (
        "test holds 9.0 % of the samples, not 20.0 %: 90 of 100 keep the split of an earlier version"
    )


def test_samples_that_all_have_their_split_are_no_news_unless_another_cut_could_reach_the_shares() -> None:
    every = earlier_of([f"{n:04}" for n in range(100)], "train")

    assert told([""] * 100, earlier=every)[-1].startswith("samples keep the splits that they have")
    assert told(["g"] * 100, earlier=every)[-1].startswith("no sample is in")
