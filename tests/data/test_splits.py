"""Splits keep groups together, come near their shares, and never change."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.errors import DataError
from holdfast.data import splits as module
from holdfast.data.plan import SPLITS
from holdfast.data.records import earlier_splits
from holdfast.data.splits import Columns, Earlier, Shares, find_twins


@dataclass(frozen=True)
class Sample:
    """A row of the columns."""

    digest: str
    labels: tuple[str, ...] = ("x",)
    group: str = ""
    given: str = ""
    time: float = 0


def columns(found: Sequence[Sample], *, timed: bool = False) -> Columns:
    return Columns(
        digests=pyarrow.array([sample.digest for sample in found], pyarrow.string()),
        labels=pyarrow.array([sample.labels for sample in found], pyarrow.list_(pyarrow.string())),
        groups=pyarrow.array([sample.group for sample in found], pyarrow.string()),
        given=pyarrow.array([sample.given for sample in found], pyarrow.string()),
        times=np.array([sample.time for sample in found]) if timed else None,
    )


def assign_splits(
    found: Sequence[Sample], earlier: Earlier, shares: Shares, *, timed: bool = False
) -> list[str]:
    return [SPLITS[place] for place in module.assign_splits(columns(found, timed=timed), earlier, shares)]


words = st.sampled_from("abc")
samples = st.builds(
    Sample,
    digest=st.integers(0, 60).map("d{:02}".format),
    labels=st.one_of(words.map(lambda word: (word,)), st.sets(words).map(lambda many: tuple(sorted(many)))),
    group=st.integers(0, 25).map("g{:02}".format),
)
many = st.lists(samples, min_size=1, max_size=60)


def version(digests: Sequence[str], groups: Sequence[str], splits: Sequence[str]) -> pyarrow.Table:
    return pyarrow.table({"digest": list(digests), "group": list(groups), "split": list(splits)})


def remember(found: list[Sample], splits: list[str]) -> Earlier:
    groups = [sample.group or sample.digest for sample in found]
    return earlier_splits([version([sample.digest for sample in found], groups, splits)])


@given(many)
def test_neither_groups_nor_copies_cross_splits(found: list[Sample]) -> None:
    splits = assign_splits(found, Earlier(), Shares())

    for key in ("group", "digest"):
        sides = defaultdict(set)
        for sample, split in zip(found, splits, strict=True):
            sides[getattr(sample, key)].add(split)
        assert all(len(side) == 1 for side in sides.values())


@given(many)
def test_a_test_share_of_1_puts_all_there(found: list[Sample]) -> None:
    assert set(assign_splits(found, Earlier(), Shares(test=1, valid=0))) == {"test"}


@given(many, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter(found: list[Sample], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(found, len(found))

    first = dict(zip(found, assign_splits(found, Earlier(), Shares()), strict=True))
    second = dict(zip(shuffled, assign_splits(shuffled, Earlier(), Shares()), strict=True))

    assert first == second


@given(many, many)
def test_samples_and_groups_keep_their_splits_when_data_is_added(
    old: list[Sample], new: list[Sample]
) -> None:
    new = [sample for sample in new if sample.digest not in {s.digest for s in old}]
    before = assign_splits(old, Earlier(), Shares())
    of_group = {sample.group: split for sample, split in zip(old, before, strict=True)}

    after = assign_splits(old + new, remember(old, before), Shares())

    assert after[: len(old)] == before
    for sample, split in zip(new, after[len(old) :], strict=True):
        assert split == of_group.get(sample.group, split)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_known_group_or_sample_keeps_its_split_when_it_comes_back_alone(split: str) -> None:
    earlier = earlier_splits([version(["old"], ["g"], [split])])

    for sample in (
        Sample("new", ("x",), "g"),
        Sample("old", ("x",), "another"),
        Sample("old", ("x",), "old"),
    ):
        assert assign_splits([sample], earlier, Shares()) == [split]


@settings(max_examples=50)
@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 3))
def test_each_label_with_three_groups_is_in_each_split(cats: int, dogs: int, seed: int) -> None:
    found = [
        Sample(f"{label}{n}", (label,), f"{label}{n // 2}")
        for label, groups in (("cat", cats), ("dog", dogs))
        for n in range(groups * 2)
    ]

    splits = assign_splits(found, Earlier(), Shares(seed=seed))

    there = {(sample.labels[0], split) for sample, split in zip(found, splits, strict=True)}
    assert there == {(label, split) for label in ("cat", "dog") for split in ("train", "valid", "test")}


def test_shares_are_met_label_by_label() -> None:
    found = [Sample(f"{n}", ("rare" if n % 10 == 0 else "often",), f"{n}") for n in range(1000)]

    splits = assign_splits(found, Earlier(), Shares())

    counts = Counter((sample.labels[0], split) for sample, split in zip(found, splits, strict=True))
    assert counts == {
        ("rare", "train"): 70, ("rare", "test"): 20, ("rare", "valid"): 10,
        ("often", "train"): 630, ("often", "test"): 180, ("often", "valid"): 90,
    }  # fmt: skip


def test_many_labels_are_each_spread_by_their_shares() -> None:
    found = [
        Sample(
            f"{n}", tuple(label for label, each in (("a", 2), ("b", 5), ("c", 20)) if n % each == 0), f"{n}"
        )
        for n in range(1000)
    ]

    splits = assign_splits(found, Earlier(), Shares())

    for label, total in (("a", 500), ("b", 200), ("c", 50)):
        test = sum(label in s.labels and split == "test" for s, split in zip(found, splits, strict=True))
        assert abs(test - total * 0.2) <= 2


def test_new_samples_bring_the_shares_back_on_target() -> None:
    old = [Sample(f"o{n}", ("x",), f"o{n}") for n in range(10)]
    earlier = remember(old, ["train"] * 10)
    new = [Sample(f"n{n}", ("x",), f"n{n}") for n in range(90)]

    splits = assign_splits(old + new, earlier, Shares())

    assert Counter(splits) == {"train": 70, "test": 20, "valid": 10}


def test_another_seed_cuts_otherwise() -> None:
    found = [Sample(f"{n}", ("x",), f"{n}") for n in range(100)]

    assert assign_splits(found, Earlier(), Shares(seed=1)) != assign_splits(found, Earlier(), Shares(seed=2))


@pytest.mark.parametrize(
    ("given_splits", "missing"),
    [(("train", "test"), "valid"), (("train", "valid"), "test"), (("train",), "")],
)
def test_a_given_split_is_kept_and_the_missing_one_is_cut_from_training(
    given_splits: tuple[str, ...], missing: str
) -> None:
    found = [Sample(f"{n}", ("x",), f"{n}", given_splits[n % len(given_splits)]) for n in range(100)]

    splits = assign_splits(found, Earlier(), Shares())

    for sample, split in zip(found, splits, strict=True):
        assert split == sample.given or (sample.given == "train" and split in ("valid", "test"))
    assert not missing or missing in splits
    assert set(splits) == {"train", "valid", "test"}


def test_validation_is_cut_in_its_share_of_what_the_source_does_not_give() -> None:
    found = [Sample(f"{n}", ("x",), f"{n}", "test" if n < 100 else "") for n in range(180)]

    splits = assign_splits(found, Earlier(), Shares())  # 0.1 to 0.7 of 80

    assert Counter(splits) == {"test": 100, "train": 70, "valid": 10}


def test_a_label_of_two_groups_needs_validation_less_than_training() -> None:
    found = [Sample(f"{n}", given="test") for n in range(20)] + [Sample(f"x{n}") for n in range(80)]
    found += [Sample("r1", ("rare",)), Sample("r2", ("rare",))]

    assert assign_splits(found, Earlier(), Shares())[-2:] == ["train", "train"]


def test_halves_that_each_label_leaves_over_are_shared_out() -> None:
    found = [Sample(f"{n}", (f"{n % 10}",)) for n in range(50)]  # 2.5 of each label to each side

    assert Counter(assign_splits(found, Earlier(), Shares(test=0.5, valid=0))) == {"train": 25, "test": 25}


def test_training_copies_of_given_test_samples_stay_in_training_and_make_twins() -> None:
    found = [Sample(f"{n}", ("x",), f"{n}", "train") for n in range(50)]
    found += [Sample(f"{n}", ("x",), f"{n}", "test") for n in range(20)]

    splits = assign_splits(found, Earlier(), Shares())

    assert splits[:20] == ["train"] * 20
    assert find_twins([sample.digest for sample in found], splits).tolist() == [False] * 50 + [True] * 20


def test_copies_tie_groups_together() -> None:
    found = [Sample("same", ("x",), "g1"), Sample("same", ("x",), "g2")]
    found += [Sample(f"{n}", ("x",), f"g{n % 3}") for n in range(30)]

    splits = assign_splits(found, Earlier(), Shares())

    assert (
        len({split for sample, split in zip(found, splits, strict=True) if sample.group in ("g1", "g2")}) == 1
    )


def test_a_copy_that_ties_two_split_groups_moves_nothing() -> None:
    old = [Sample("a", ("x",), "g1"), Sample("b", ("x",), "g2")]
    earlier = remember(old, ["train", "test"])
    new = [Sample("a", ("x",), "g3"), Sample("b", ("x",), "g3"), Sample("c", ("x",), "g3")]

    splits = assign_splits(old + new, earlier, Shares())

    assert splits == ["train", "test", "train", "train", "train"]


def test_other_groups_for_old_samples_are_refused_rather_than_moved() -> None:
    old = [Sample("a", ("x",), "a"), Sample("b", ("x",), "b")]
    earlier = remember(old, ["train", "test"])

    with pytest.raises(DataError, match=r"1 samples would leave the split .*'anna'") as caught:
        assign_splits([Sample("a", ("x",), "anna"), Sample("b", ("x",), "anna")], earlier, Shares())

    assert "--name" in (caught.value.hint or "")


def test_a_set_to_test_on_alone_may_say_that_it_is_a_test_split() -> None:
    found = [Sample("a", given="test"), Sample("b", given="train")]

    assert assign_splits(found, Earlier(), Shares(test=1, valid=0)) == ["test", "train"]


def test_samples_without_a_group_are_alone_with_their_copies() -> None:
    found = [Sample(f"{n // 2}", group="") for n in range(200)]

    splits = assign_splits(found, Earlier(), Shares())

    assert splits[::2] == splits[1::2]
    assert Counter(splits) == {"train": 140, "test": 40, "valid": 20}


def test_the_order_in_which_digests_and_seed_put_samples_is_for_ever() -> None:
    found = [Sample(f"{n}") for n in range(10)]

    splits = assign_splits(found, Earlier(), Shares())

    assert (
        " ".join(splits) == "test train train valid train train train train train test"
    )  # a change would cut all new data otherwise


@settings(max_examples=30)
@given(st.lists(many, min_size=2, max_size=5))
def test_no_sample_ever_moves_however_often_data_is_added(rounds: list[list[Sample]]) -> None:
    found: list[Sample] = []
    tables: list[pyarrow.Table] = []
    settled: list[str] = []
    for fresh in rounds:
        digests = {sample.digest for sample in found}
        found = found + [sample for sample in fresh if sample.digest not in digests]

        splits = assign_splits(found, earlier_splits(tables), Shares())

        assert splits[: len(settled)] == settled
        settled = splits
        tables.append(version([s.digest for s in found], [s.group for s in found], splits))


sizes = st.lists(st.integers(1, 9), min_size=6, max_size=80)


@given(sizes)
def test_shares_are_within_the_largest_group_and_a_label_that_must_be_everywhere(sizes: list[int]) -> None:
    found = [Sample(f"{g}-{n}", group=f"g{g}") for g, size in enumerate(sizes) for n in range(size)]

    counts = Counter(assign_splits(found, Earlier(), Shares()))

    for split, share in (("train", 0.7), ("test", 0.2), ("valid", 0.1)):
        assert abs(counts[split] - share * len(found)) <= max(sizes)


def test_thousands_of_labels_rounded_one_way_do_not_swell_a_split() -> None:
    found = [Sample(f"{label}-{n}", (f"{label}",)) for label in range(300) for n in range(13)]

    counts = Counter(assign_splits(found, Earlier(), Shares()))  # 2.6 of each in test: always 3 would be 23 %

    assert abs(counts["test"] / len(found) - 0.2) < 0.012
    assert abs(counts["valid"] / len(found) - 0.1) < 0.012


moments = st.lists(st.integers(0, 20), min_size=1, max_size=60)


@given(moments, st.integers(1, 30))
def test_by_time_every_test_group_ends_after_every_training_group(times: list[int], groups: int) -> None:
    found = [Sample(f"{n}", group=f"g{n % groups}", time=time) for n, time in enumerate(times)]

    splits = assign_splits(found, Earlier(), Shares(), timed=True)

    end: dict[str, float] = {}
    of_group: dict[str, set[str]] = defaultdict(set)
    for sample, split in zip(found, splits, strict=True):
        end[sample.group] = max(sample.time, end.get(sample.group, 0))
        of_group[sample.group].add(split)
    assert all(len(there) == 1 for there in of_group.values())
    ends = {split: [end[group] for group in end if of_group[group] == {split}] for split in SPLITS}
    for older, newer in (("train", "valid"), ("valid", "test"), ("train", "test")):
        assert max(ends[older], default=-1) < min(ends[newer], default=99)
    wanted = {0: {"train"}, 1: {"train", "test"}}.get(len(set(end.values())) - 1, set(SPLITS))
    assert set(splits) == wanted


def test_by_time_the_newest_tests_and_the_next_validate() -> None:
    found = [Sample(f"{n}", (f"{n % 3}",), time=(n * 7) % 100) for n in range(100)]

    splits = assign_splits(found, Earlier(), Shares(), timed=True)

    for sample, split in zip(found, splits, strict=True):
        assert split == ("train" if sample.time < 70 else "valid" if sample.time < 80 else "test")


def test_by_time_a_group_is_as_new_as_its_newest_sample() -> None:
    found = [Sample("a", group="g", time=9), Sample("b", group="g", time=0)]
    found += [Sample(f"{n}", time=n) for n in range(1, 9)]

    assert assign_splits(found, Earlier(), Shares(), timed=True) == [
        *["test"] * 2, *["train"] * 7, "valid"
    ]  # fmt: skip


def test_by_time_what_was_placed_stays_and_the_newest_of_the_rest_test() -> None:
    old = [Sample(f"o{n}", time=n) for n in range(50)]
    before = assign_splits(old, Earlier(), Shares(), timed=True)
    new = [Sample(f"n{n}", time=50 + n) for n in range(50)]

    splits = assign_splits(old + new, remember(old, before), Shares(), timed=True)

    assert splits[:50] == before
    assert splits[50:] == ["train"] * 35 + ["valid"] * 5 + ["test"] * 10


def test_a_given_test_split_stays_and_validation_is_the_newest_of_the_rest() -> None:
    found = [Sample(f"{n}", given="test" if n < 20 else "train", time=n) for n in range(100)]

    splits = assign_splits(found, Earlier(), Shares(valid=0.08), timed=True)

    assert splits == ["test"] * 20 + ["train"] * 72 + ["valid"] * 8
