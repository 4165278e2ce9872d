"""Which samples train, validate and test: by group, in the shares asked for, and kept for ever."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.core.errors import DataError
from holdfast.data.plan import SPLITS, some

_BY_NEED = ("train", "test", "valid")
"""Which split a label needs first when it has few groups."""


@dataclass(frozen=True)
class Sample:
    """What decides the split of a sample."""

    digest: str
    labels: tuple[str, ...]
    group: str
    given: str = ""
    """The split that the source gives, if any."""


@dataclass(frozen=True)
class Earlier:
    """The splits that earlier versions gave."""

    digests: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shares:
    """How much of the samples is held out where the source does not say it."""

    test: float = 0.2
    valid: float = 0.1
    seed: int = 0


def assign_splits(samples: Sequence[Sample], earlier: Earlier, shares: Shares) -> list[str]:
    """The split of each sample, whatever order they come in.

    In this order of strength: a split that the source gives is kept; a group, then a sample, keeps the split
    of earlier versions; the rest is placed so that the labels come near their shares. Samples of one group,
    and exact copies, are placed together. Validation is cut from training if the source gives none, and
    so is the test split. Each label gets a group in train, then test, then valid, as far as its groups go.

    Raises:
        DataError: if a sample would leave the split that an earlier version gave it, because its group is
            another one now.
    """
    open_splits = _open_splits(samples, shares)
    splits = [_fixed(sample, of_group) for sample, of_group in _with_group_splits(samples, earlier)]
    free: list[list[int]] = []
    units = _units(samples)
    for unit in units:
        fixed = {splits[index] for index in unit} - {""}
        loose = [index for index in unit if not splits[index]]
        if fixed:
            for index in loose:
                splits[index] = _join(samples[index], fixed, open_splits)
        elif loose:
            free.append(unit)
    need = _Need(samples, splits, units, open_splits)
    _place(samples, splits, free, need, shares.seed)
    _refuse_moves(samples, splits, earlier)
    return splits


def find_twins(digests: Sequence[str], splits: Sequence[str]) -> list[bool]:
    """Which test and validation samples are, byte for byte, also in training.

    >>> find_twins(["a", "a", "b"], ["train", "test", "test"])
    [False, True, False]
    """
    trained = {digest for digest, split in zip(digests, splits, strict=True) if split == "train"}
    return [split != "train" and digest in trained for digest, split in zip(digests, splits, strict=True)]


def _open_splits(samples: Sequence[Sample], shares: Shares) -> dict[str, float]:
    """The splits that may be added to, with their shares, which sum to 1."""
    given = {sample.given for sample in samples}
    wanted = {"test": shares.test, "valid": shares.valid}
    share = {split: wanted[split] for split in ("test", "valid") if split not in given and wanted[split] > 0}
    if shares.test < 1:
        share["train"] = 1 - shares.test - shares.valid
    whole = sum(share.values())
    return {split: part / whole for split, part in share.items()}


def _with_group_splits(samples: Sequence[Sample], earlier: Earlier) -> Iterable[tuple[Sample, str]]:
    """Each sample with the split that its group has from earlier versions."""
    of_digests: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if sample.digest in earlier.digests:
            of_digests[sample.group].add(earlier.digests[sample.digest])
    for sample in samples:
        of_group = earlier.groups.get(sample.group, "")
        yield sample, of_group or _strongest(of_digests.get(sample.group, set()))


def _fixed(sample: Sample, of_group: str) -> str:
    return sample.given if sample.given in ("test", "valid") else of_group


def _strongest(splits: set[str]) -> str:
    """Training, where copies lie on several sides: the copies elsewhere then show up as twins."""
    return next((split for split in ("train", "test", "valid") if split in splits), "")


def _join(sample: Sample, fixed: set[str], open_splits: Mapping[str, float]) -> str:
    """The split of a sample that is tied to samples whose splits are fixed."""
    if sample.given == "train":
        fixed = fixed & set(open_splits)
    return _strongest(fixed) or "train"


def _units(samples: Sequence[Sample]) -> list[list[int]]:
    """Indices of samples that must stay together: one group, or exact copies."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for sample in samples:
        parent[root("group " + sample.group)] = root("digest " + sample.digest)
    units: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        units[root("digest " + sample.digest)].append(index)
    return list(units.values())


def _place(
    samples: Sequence[Sample],
    splits: list[str],
    free: list[list[int]],
    need: "_Need",
    seed: int,
) -> None:
    """Place whole units, rarest label first, largest unit first, where that label lacks most.

    After Sechidis et al. 2011 (iterative stratification), with groups as the units.
    """
    order = {id(unit): _shuffled(samples, unit, seed) for unit in free}
    with_label: dict[str, list[list[int]]] = defaultdict(list)
    for unit in free:
        for label in _labels_in(samples, unit):
            with_label[label].append(unit)
    left = {label: len(units) for label, units in with_label.items()}
    while left:
        label = min(left, key=lambda label: (left[label], label))
        del left[label]
        units = sorted(with_label[label], key=lambda unit: (-len(unit), order[id(unit)]))
        units = [unit for unit in units if not splits[unit[0]]]
        for position, unit in enumerate(units):
            split = need.choose(label, groups_left=len(units) - position)
            for index in unit:
                splits[index] = split
            need.take([label for index in unit for label in _labels(samples[index])], len(unit), split)
            for other in _labels_in(samples, unit) & left.keys():
                left[other] -= 1


class _Need:
    """How many samples of each label each open split still lacks."""

    def __init__(
        self,
        samples: Sequence[Sample],
        splits: Sequence[str],
        units: Sequence[list[int]],
        open_splits: Mapping[str, float],
    ) -> None:
        self._groups = Counter(label for unit in units for label in _labels_in(samples, unit))
        self.splits = [split for split in _BY_NEED if split in open_splits]
        closed = [split not in open_splits and bool(split) for split in splits]
        totals: Counter[str] = Counter()
        for sample, out in zip(samples, closed, strict=True):
            if not out:
                totals.update(_labels(sample))
        rows = closed.count(False)
        self._lack = {
            split: {label: share * count for label, count in totals.items()}
            for split, share in open_splits.items()
        }
        self._lack_rows = {split: share * rows for split, share in open_splits.items()}
        self._has: dict[str, set[str]] = defaultdict(set)
        for sample, split in zip(samples, splits, strict=True):
            if split in open_splits:
                self.take(_labels(sample), 1, split)

    def take(self, labels: Iterable[str], rows: int, split: str) -> None:
        for label in labels:
            self._lack[split][label] -= 1
            self._has[label].add(split)
        self._lack_rows[split] -= rows

    def choose(self, label: str, *, groups_left: int) -> str:
        """The split for the next group with this label."""
        few = self._groups[label] < 3  # train and test come first
        empty = [s for s in self.splits if s not in self._has[label] and not (few and s == "valid")]
        if len(empty) >= groups_left:
            return empty[0]
        return max(self.splits, key=lambda split: (self._lack[split][label], self._lack_rows[split]))


def _labels(sample: Sample) -> tuple[str, ...]:
    return sample.labels or ("",)  # samples without any label are spread evenly too


def _labels_in(samples: Sequence[Sample], unit: list[int]) -> set[str]:
    return {label for index in unit for label in _labels(samples[index])}


def _shuffled(samples: Sequence[Sample], unit: list[int], seed: int) -> str:
    """A key that orders units at random, but the same way whatever order the files come in."""
    first = min(samples[index].digest for index in unit)
    return hashlib.sha256(f"{seed} {first}".encode()).hexdigest()


def _refuse_moves(samples: Sequence[Sample], splits: Sequence[str], earlier: Earlier) -> None:
    now: dict[str, set[str]] = defaultdict(set)
    given: set[str] = set()
    for sample, split in zip(samples, splits, strict=True):
        now[sample.digest].add(split)
        if sample.given:
            given.add(sample.digest)
    moved = sorted(
        digest
        for digest, places in now.items()
        if digest not in given and earlier.digests.get(digest, next(iter(places))) not in places
    )
    if moved:
        groups = sorted({sample.group for sample in samples if sample.digest in set(moved)})
        raise DataError(
            f"{len(moved):,} samples would leave the split that an earlier version gave them, because they "
            f"now belong to groups that lie in another split: {some(groups)}",
            hint="group as in the earlier version, or begin a new dataset with another --name",
        )


assert set(_BY_NEED) == set(SPLITS)
