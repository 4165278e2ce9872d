"""Labels that are missing, misspelt or hardly there are found; ten thousand good ones are no trouble."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow

from holdfast.data.check_labels import label_counts, label_findings
from holdfast.data.codes import Codes
from holdfast.data.finding import Finding


def codes(
    labels: list[str], targets: np.ndarray, splits: list[str], groups: list[str] | None = None
) -> Codes:
    digests = [f"d{row}" for row in range(len(splits))]
    table = pyarrow.table({"digest": digests, "group": groups or digests, "split": splits})
    version: Any = SimpleNamespace(table=table, targets=targets, info=SimpleNamespace(labels=tuple(labels)))
    return Codes(version)


def findings(counts: dict[str, int]) -> dict[str, Finding]:
    """Of labels with so many samples in each split."""
    targets = np.tile(np.repeat(np.arange(len(counts)), list(counts.values())), 3)
    splits = np.repeat(["train", "valid", "test"], len(targets) // 3).tolist()
    return {finding.title: finding for finding in label_findings(codes(list(counts), targets, splits))}


def test_spellings_of_one_label_are_found() -> None:
    found = findings(
        {"Café au lait": 20, "ｃafé-au_lait": 20, "cafe au lait": 20, "tea": 20, "TEA ": 20, "tee": 20}
    )

    assert found.keys() == {"labels that look alike"}
    assert found["labels that look alike"].count == 2


def test_numbers_that_are_written_in_several_ways_are_found_and_other_numbers_are_not() -> None:
    found = findings(dict.fromkeys(("1", "1.0", "-0", "0", "-1", "10", "1.5", "15", "2", "3."), 20))

    assert found.keys() == {"labels that look alike"}
    assert found["labels that look alike"].count == 2
    assert "'1' / '1.0'" in found["labels that look alike"].detail
    assert "'-0' / '0'" in found["labels that look alike"].detail


def test_labels_that_stand_for_a_missing_value_are_found() -> None:
    found = findings({"NA": 20, "nan": 4, "None": 20, "cat": 20, "nano": 20})

    told = found["labels that may mean that there is none"]

    assert (told.level, told.count) == ("warning", 3)
    assert "'NA (60)', 'nan (12)', 'None (60)'" in told.detail


def test_rare_slips_of_the_pen_are_found() -> None:
    found = findings({"elephant": 100, "elehpant": 10, "elephants": 11, "zebra": 100, "zebu": 10})

    assert found.keys() == {"labels that may be misspelt"}
    assert found["labels that may be misspelt"].detail.count(" / elephant (300)") == 2


def test_labels_that_differ_in_a_number_or_are_as_frequent_are_no_slips() -> None:
    assert findings({"class 1": 100, "class 2": 10, "brown bear": 90, "brown beer": 80}) == {}


def test_ten_thousand_labels_are_looked_through() -> None:
    names = [f"n{place:08}" for place in range(10_000)]

    assert findings(dict.fromkeys(names, 10)) == {}


def test_an_empty_split_is_one_finding() -> None:
    alone = codes(["x", "y"], np.repeat([0, 1], 20), ["train"] * 40)

    found = {finding.title: finding.level for finding in label_findings(alone)}

    assert found == {"no samples in test": "warning", "no samples in valid": "info"}


def test_counts_of_many_labels_and_their_groups() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 1], [1, 1]], dtype=np.int8)
    grouped = codes(["x", "y"], targets, ["train", "train", "valid", "test"], ["a", "a", "b", "c"])

    few = {finding.title: finding.detail for finding in label_findings(grouped)}

    assert label_counts(grouped).tolist() == [[2, 1], [0, 1], [1, 1]]
    assert few["labels with fewer than 3 groups"] == "'x (2)'"
    assert cast(np.ndarray, grouped.labels).tolist().count(grouped.labels[1]) == 2
