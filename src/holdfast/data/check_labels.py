"""Labels: which are missing, hardly there, torn, or written in several ways."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from holdfast.data.codes import Codes
from holdfast.data.finding import Finding
from holdfast.data.plan import SPLITS, some

FEW = 10
"""A label with fewer samples than this in a split is measured by luck."""
UNEVEN = 20
"""The largest label has this many times the samples of the smallest: worth saying."""
_SLIP = 5
"""A slip of the pen has at most a fifth of the samples of the right spelling, and five letters or more."""


_NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{0,20})?", re.ASCII)
_NO_VALUE = {"na", "n/a", "#n/a", "nan", "none", "null", "nil", "<na>", "nat", "undefined", "-", "--", "?"}
"""What spreadsheets, pandas, R, SQL and JavaScript write for a missing value."""


def label_findings(codes: Codes) -> Iterator[Finding]:
    """What is to be said of labels."""
    labels, counts = codes.version.info.labels, label_counts(codes)
    yield from _missing(labels, counts, codes)
    yield from _none_meant(labels, counts.sum(axis=0))
    yield from _alike(labels)
    yield from _slips(labels, counts.sum(axis=0))
    yield from _few(labels, counts)
    yield from _few_groups(labels, codes)
    yield from _uneven(labels, counts.sum(axis=0))


def label_counts(codes: Codes) -> np.ndarray:
    """Samples of each label in train, valid and test, shape (3, labels)."""
    targets, labels = codes.version.targets, len(codes.version.info.labels)
    if targets.ndim == 2:
        return np.stack([targets[codes.rows(split)].sum(axis=0, dtype=np.int64) for split in SPLITS])
    counts = np.bincount(codes.split.astype(np.int64) * labels + targets, minlength=3 * labels)
    return counts.reshape(3, labels)


def _missing(labels: Sequence[str], counts: np.ndarray, codes: Codes) -> Iterator[Finding]:
    for split in ("train", "test", "valid"):
        if not len(codes.rows(split)):
            yield from _empty(split)
            continue
        missing = [label for label, count in zip(labels, _of(counts, split), strict=True) if count == 0]
        if missing:
            yield Finding(
                "error" if split == "train" else "warning",
                f"labels missing in {split}",
                f"{some(missing)}: "
                + ("they cannot be learnt" if split == "train" else "they are not measured"),
                len(missing),
            )


def _empty(split: str) -> Iterator[Finding]:
    told = {
        "train": "nothing can be learnt from this version; it can be tested on",
        "test": "no score can be measured",
        "valid": "no setting can be chosen by it",
    }
    yield Finding("warning" if split == "test" else "info", f"no samples in {split}", told[split], 1)


def _none_meant(labels: Sequence[str], counts: np.ndarray) -> Iterator[Finding]:
    """Labels that other programs write where a value is missing."""
    found = [
        f"{label} ({count:,})"
        for label, count in zip(labels, counts, strict=True)
        if label.casefold() in _NO_VALUE
    ]
    if found:
        yield Finding(
            "warning",
            "labels that may mean that there is none",
            f"other programs write {some(found)} where a value is missing; here each is a label like the "
            f"others. If none is meant, leave these cells empty",
            len(found),
        )


def _alike(labels: Sequence[str]) -> Iterator[Finding]:
    """Labels that are one word but for case, blanks, dashes and forms of letters, or one number."""
    written: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        written[_plain(label)].append(label)
    alike = [ways for ways in written.values() if len(ways) > 1]
    if alike:
        yield Finding(
            "warning",
            "labels that look alike",
            f"they differ only in case, blanks, dashes, forms of letters or how a number is written, yet "
            f"count as different labels: "
            f"{some([' / '.join(map(repr, ways)) for ways in alike], width=80)}",
            len(alike),
        )


def _plain(label: str) -> str:
    letters = unicodedata.normalize("NFKC", label).casefold()  # accents stay: they can tell words apart
    if _NUMBER.fullmatch(letters.strip()):
        return str(Decimal(letters.strip()).normalize() + 0)  # 1.0 and 01 are 1, but 1.5 is not 15, nor -1 1
    kept = "".join(c for c in letters if not (c.isspace() or c in "-_."))
    return kept or label


def _slips(labels: Sequence[str], counts: np.ndarray) -> Iterator[Finding]:
    """Rare labels that are one letter away from a frequent one, or have two letters swapped."""
    spelt: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        for cut in _cuts(label.casefold()):
            spelt[cut].append(place)
    found = {
        (rare, usual)
        for places in spelt.values()
        for rare in places
        for usual in places
        if 0 < _SLIP * counts[rare] <= counts[usual] and _plain(labels[rare]) != _plain(labels[usual])
    }
    if found:
        shown = [f"{labels[a]} ({counts[a]}) / {labels[b]} ({counts[b]:,})" for a, b in sorted(found)]
        yield Finding(
            "warning",
            "labels that may be misspelt",
            f"rare labels that are one letter away from a frequent one: {some(shown, width=80)}",
            len(found),
        )


def _cuts(word: str) -> set[str]:
    """The word, and the word without each one of its letters; digits stay, as `class 1` is not `class 2`."""
    if len(word) < _SLIP:
        return set()
    return {word, *(word[:place] + word[place + 1 :] for place, c in enumerate(word) if not c.isdigit())}


def _few(labels: Sequence[str], counts: np.ndarray) -> Iterator[Finding]:
    for split in ("train", "test"):
        few = [f"{labels[place]} ({_of(counts, split)[place]})" for place in _little(_of(counts, split), FEW)]
        if few:
            yield Finding("warning", f"labels with few samples in {split}", some(few), len(few))


def _few_groups(labels: Sequence[str], codes: Codes) -> Iterator[Finding]:
    """With fewer than three groups a label cannot be in all three splits."""
    targets = codes.version.targets
    if codes.alone.all():
        return
    rows, places = np.nonzero(targets) if targets.ndim == 2 else (np.arange(len(targets)), targets)
    pairs = np.unique(places.astype(np.int64) * (int(codes.group.max()) + 1) + codes.group[rows])
    groups = np.bincount(pairs // (int(codes.group.max()) + 1), minlength=len(labels))
    few = [f"{labels[place]} ({groups[place]})" for place in _little(groups, 3)]
    if few:
        yield Finding("warning", "labels with fewer than 3 groups", some(few), len(few))


def _uneven(labels: Sequence[str], counts: np.ndarray) -> Iterator[Finding]:
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[most] > UNEVEN * max(counts[least], 1):
        yield Finding(
            "info",
            "uneven labels",
            f"{labels[most]!r} has {counts[most]:,} samples and {labels[least]!r} {counts[least]:,}; "
            f"try loss.class_weights=balanced",
            1,
        )


def _of(counts: np.ndarray, split: str) -> np.ndarray:
    return np.asarray(counts[SPLITS.index(split)])


def _little(counts: np.ndarray, limit: int) -> list[int]:
    return [int(place) for place in np.flatnonzero((counts > 0) & (counts < limit))]
