"""What is said of samples that were left out, and of copies."""

import pyarrow

from holdfast.data.notes import sample_notes, told_gone
from holdfast.data.plan import Quarantined, reasons
from holdfast.data.splits import Earlier


def table(*samples: tuple[str, str, str]) -> pyarrow.Table:
    digests, names, labels = (list(column) for column in zip(*sorted(samples), strict=True))
    many, none = [[label] for label in labels], [False] * len(names)
    return pyarrow.table({"digest": digests, "name": names, "labels": many, "twin": none})


def test_copies_under_different_labels_are_counted_by_sample_and_by_group() -> None:
    pairs = table(("a", "1", "x"), ("a", "2", "y"), ("b", "3", "x"), ("b", "4", "y"), ("c", "5", "x"))
    same = table(("a", "1", "x"), ("a", "2", "x"), ("b", "3", "y"))

    assert sample_notes(pairs, [], Earlier()) == [
        "4 samples in 2 groups of exact copies stand under different labels: '1', '2', '3', '4'"
    ]
    assert sample_notes(same, [], Earlier()) == []


def test_every_reason_is_counted() -> None:
    four = [Quarantined(f"{n}", "", reason) for n, reason in enumerate(["a", "b", "b", "c", "d"])]
    nine = [Quarantined(f"{n}", "", f"reason {n // 2}") for n in range(18)]

    (note,) = sample_notes(table(("a", "1", "x")), four, Earlier())

    assert note == "5 samples cannot be used and are in quarantine: b (2); a (1); c (1); d (1)"
    assert reasons(nine).endswith("reason 4 (2); and 4 more reasons (8)")


def test_samples_that_are_gone_or_labelled_otherwise_are_counted_against_the_version_before() -> None:
    before = table(("a", "1", "x"), ("b", "2", "x"), ("c", "3", "y"), ("d", "4", "y"))

    def said(*after: tuple[str, str, str]) -> list[str]:
        return told_gone(before, table(*after), ("owls@1", "owls@2"))

    see = "`holdfast data diff owls@1 owls@2` shows them"
    kept = [("a", "1", "x"), ("b", "2", "x"), ("c", "3", "y")]
    assert said(*kept, ("d", "other", "y"), ("e", "5", "x")) == []
    assert said(*kept) == [f"1 of 4 samples of owls@1 is gone; {see}"]
    assert said(*kept, ("d", "4", "x")) == [f"1 of 4 samples of owls@1 has other labels; {see}"]
    assert said(("a", "1", "y"), ("b", "2", "y")) == [
        f"2 of 4 samples of owls@1 are gone, and 2 have other labels; {see}"
    ]
