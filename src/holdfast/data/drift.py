"""Whether two parts of the data differ: the splits of a version, or what a version added to another."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow
from pyarrow import compute

from holdfast.data.codes import Codes
from holdfast.data.facts import kinds, measures
from holdfast.data.finding import Finding
from holdfast.data.plan import some
from holdfast.data.version import Version

ALARMS = 0.01
"""Chance of even one false alarm among all tests of a comparison, where nothing differs."""
_LEAST = 0.1
"""A difference below this is small, however sure: a distance of distributions, or a share that moved."""
_EXPECTED = 5
_FEW = 20
"""Fewer samples (or groups) than this on a side say nothing."""


@dataclass(frozen=True)
class Part:
    """A part of the data: what was measured of its samples, and how many of them are independent.

    Attributes:
        title: what it is called, such as test.
        numbers: by name, shape (n,).
        kinds: by name, shape (n,).
        shares: how many samples have each label.
        size: of samples.
        independent: how many groups there are; samples of a group are alike.
    """

    title: str
    numbers: dict[str, np.ndarray]
    kinds: dict[str, np.ndarray]
    shares: dict[str, int]
    size: int
    independent: int


@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Attributes:
        what: was compared.
        p: chance of such a difference if both parts come from one source.
        distance: how far apart they are, 0 to 1.
        words: the difference, for a person.
    """

    what: str
    p: float
    distance: float
    words: str


def split_drift(codes: Codes, signatures: pyarrow.Table | None) -> Iterator[Finding]:
    """Where validation or test samples differ from training samples."""
    whole = _measured(codes, signatures)
    train = _part(codes, whole, codes.rows("train"), "train")
    for split in ("test", "valid"):
        part = _part(codes, whole, codes.rows(split), split)
        yield from _finding(
            train, part, f"{split} differs from train", "scores on it tell of other data than was learnt"
        )


def version_drift(
    codes: Codes, signatures: pyarrow.Table | None, other: Version, others: pyarrow.Table | None
) -> Iterator[Finding]:
    """Where the samples that a version has and another one has not differ from that other one."""
    name = f"{other.info.name}@{other.info.version}"
    labels = set(codes.version.info.labels), set(other.info.labels)
    for title, changed in (
        (f"labels that {name} lacks", labels[0] - labels[1]),
        (f"labels of {name} that are gone", labels[1] - labels[0]),
    ):
        if changed:
            yield Finding("warning", title, some(sorted(changed)), len(changed))
    before = other.table.column("digest").combine_chunks()
    new = np.flatnonzero(~np.asarray(compute.is_in(codes.version.table.column("digest"), value_set=before)))
    if len(new):
        second = Codes(other)
        earlier = _part(second, _measured(second, others), np.arange(len(other)), name)
        part = _part(codes, _measured(codes, signatures), new, "new samples")
        yield from _finding(
            earlier,
            part,
            f"new samples differ from {name}",
            "a model of the earlier data may do worse on them",
        )


def comparisons(one: Part, other: Part) -> list[Comparison]:
    """All comparisons of two parts: Kolmogorov–Smirnov of numbers, chi-square of kinds and labels.

    Samples of one group are alike, so the number of groups stands for the number of samples in every test.
    """
    if min(one.independent, other.independent) < _FEW:
        return []
    found = [
        _numbers(name, one.numbers[name], other.numbers[name], one, other)
        for name in one.numbers
        if name in other.numbers
    ]
    found += [
        _shares(name, _counted(one.kinds[name]), _counted(other.kinds[name]), one, other)
        for name in one.kinds
        if name in other.kinds
    ]
    return [test for test in (*found, _shares("labels", one.shares, other.shares, one, other)) if test]


def alarms(found: list[Comparison], budget: float = ALARMS) -> list[Comparison]:
    """The tests that stand when all of them together may give a false alarm with chance `budget` (Holm 1979).

    >>> chances = {"a": 0.001, "b": 0.006, "c": 0.02}
    >>> found = [Comparison(what, p, 0.5, "") for what, p in chances.items()]
    >>> [test.what for test in alarms(found)]
    ['a']
    """
    standing = []
    for rank, test in enumerate(sorted(found, key=lambda test: test.p)):
        if test.p > budget / (len(found) - rank):
            break
        standing.append(test)
    return [test for test in standing if test.distance >= _LEAST]


def _finding(one: Part, other: Part, title: str, effect: str) -> Iterator[Finding]:
    every = comparisons(one, other)
    standing = alarms(every)
    if standing:
        told = "; ".join(f"{test.what}: {test.words}" for test in standing)
        yield Finding(
            "warning",
            title,
            f"{told}; {effect} ({len(every)} tests, chance of a false alarm {ALARMS:.0%} in all)",
            len(standing),
        )


def _numbers(name: str, first: np.ndarray, second: np.ndarray, one: Part, other: Part) -> Comparison | None:
    from scipy.stats import kstwobign

    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if min(len(first), len(second)) < _FEW:
        return None
    at = np.unique(np.concatenate([first, second]))
    below = [np.searchsorted(np.sort(side), at, "right") / len(side) for side in (first, second)]
    most = int(np.abs(below[0] - below[1]).argmax())
    distance = float(abs(below[0][most] - below[1][most]))
    sizes = min(len(first), one.independent), min(len(second), other.independent)
    p = float(kstwobign.sf(distance * np.sqrt(sizes[0] * sizes[1] / (sizes[0] + sizes[1]))))
    words = f"{below[1][most]:.0%} have at most {at[most]:.4g} where {below[0][most]:.0%} of {one.title} do"
    return Comparison(name, p, distance, words)


def _shares(
    name: str, first: dict[str, int], second: dict[str, int], one: Part, other: Part
) -> Comparison | None:
    """Chi-square of two lists of counts; what is expected fewer than five times counts as one."""
    from scipy.stats import chi2

    keys = sorted({*first, *second})
    counts = np.array([[part.get(key, 0) for key in keys] for part in (first, second)], dtype=float)
    sums = counts.sum(axis=1, keepdims=True)
    if len(keys) < 2 or not sums.all():
        return None
    shares = counts / sums
    sizes = np.minimum([[one.independent], [other.independent]], sums)
    expected = sizes * (shares * sizes).sum(axis=0) / sizes.sum()
    rare = expected.min(axis=0) < _EXPECTED
    seen = _pooled(shares * sizes, rare)
    wanted = _pooled(expected, rare)
    if seen.shape[1] < 2:
        return None
    p = float(chi2.sf((np.square(seen - wanted) / wanted).sum(), seen.shape[1] - 1))
    moved = shares[1] - shares[0]
    most = int(np.abs(moved).argmax())
    words = f"{keys[most]!r} is {shares[1, most]:.0%} where {one.title} has {shares[0, most]:.0%}"
    return Comparison(name, p, float(np.abs(moved).sum() / 2), words)


def _pooled(values: np.ndarray, rare: np.ndarray) -> np.ndarray:
    pooled = np.concatenate([values[:, ~rare], values[:, rare].sum(axis=1, keepdims=True)], axis=1)
    return pooled[:, pooled.sum(axis=0) > 0]


def _measured(
    codes: Codes, signatures: pyarrow.Table | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return measures(codes.version, signatures), kinds(codes.version)


def _part(
    codes: Codes, whole: tuple[dict[str, np.ndarray], dict[str, np.ndarray]], rows: np.ndarray, title: str
) -> Part:
    targets, labels = codes.version.targets[rows], codes.version.info.labels
    counts = (
        targets.sum(axis=0, dtype=np.int64)
        if targets.ndim == 2
        else np.bincount(targets, minlength=len(labels))
    )
    numbers, named = ({name: values[rows] for name, values in part.items()} for part in whole)
    shares = {label: int(count) for label, count in zip(labels, counts, strict=True)}
    return Part(title, numbers, named, shares, len(rows), len(np.unique(codes.group[rows])))


def _counted(values: np.ndarray) -> dict[str, int]:
    found, counts = np.unique(values, return_counts=True)
    return {str(value): int(count) for value, count in zip(found, counts, strict=True)}
