"""Splits keep groups together, come near their shares, and never change."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.errors import DataError
from holdfast.data.splits import Earlier, Sample, Shares, assign_splits, find_twins

words = st.sampled_from("abc")
samples = st.builds(
    Sample,
    digest=st.integers(0, 60).map("d{:02}".format),
    labels=st.one_of(words.map(lambda word: (word,)), st.sets(words).map(lambda many: tuple(sorted(many)))),
    group=st.integers(0, 25).map("g{:02}".format),
)
many = st.lists(samples, min_size=1, max_size=60)


def remember(found: list[Sample], splits: list[str]) -> Earlier:
    pairs = list(zip(found, splits, strict=True))
    return Earlier({s.digest: split for s, split in pairs}, {s.group: split for s, split in pairs})


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
    earlier = remember(old, before)

    after = assign_splits(old + new, earlier, Shares())

    assert after[: len(old)] == before
    for sample, split in zip(new, after[len(old) :], strict=True):
        assert split == earlier.groups.get(sample.group, split)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_known_group_or_sample_keeps_its_split_when_it_comes_back_alone(split: str) -> None:
    earlier = Earlier({"old": split}, {"g": split})

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


def test_training_copies_of_given_test_samples_stay_in_training_and_make_twins() -> None:
    found = [Sample(f"{n}", ("x",), f"{n}", "train") for n in range(50)]
    found += [Sample(f"{n}", ("x",), f"{n}", "test") for n in range(20)]

    splits = assign_splits(found, Earlier(), Shares())

    assert splits[:20] == ["train"] * 20
    assert find_twins([sample.digest for sample in found], splits) == [False] * 50 + [True] * 20


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
