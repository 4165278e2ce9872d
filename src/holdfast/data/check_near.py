"""Near duplicates: how many, under which labels, and across which splits."""

from collections.abc import Iterator

import numpy as np
import pyarrow

from holdfast.data.codes import Codes
from holdfast.data.facts import places_in
from holdfast.data.finding import Finding
from holdfast.data.leak import leak
from holdfast.data.relatives import SHOWN, beside, heads, near_groups, several
from holdfast.data.signatures import HEAD

_OF_A_GROUP = 4


def near_findings(codes: Codes, signatures: pyarrow.Table) -> Iterator[Finding]:
    """What is to be said of near duplicates.

    Args:
        codes: of the version that is looked at.
        signatures: of its samples, as `holdfast.workflows.signing` makes them.
    """
    version = codes.version
    near = near_groups(version.info.modality, signatures)
    groups = _by_sample(codes, signatures, near.groups)
    yield from _across(codes, groups, "near duplicate", "near duplicates")
    yield from _conflicts(codes, groups)
    yield from _within(codes, groups)
    if near.crowded:
        yield Finding(
            "info",
            "very many samples alike",
            f"{near.crowded:,} samples have so much in common with so many others that not all pairs of them "
            f"were compared; there may be more near duplicates among them",
            near.crowded,
        )
    if version.info.modality == "text":
        yield from _beginnings(codes, _by_sample(codes, signatures, heads(signatures)))


def _by_sample(codes: Codes, signatures: pyarrow.Table, groups: np.ndarray) -> np.ndarray:
    """Groups of the distinct digests as groups of the samples. Those without a signature stay alone."""
    alone = len(groups) + codes.digest.astype(np.int64)
    if not len(groups):
        return alone
    places = places_in(signatures, codes.version)
    return np.where(places >= 0, groups[places], alone)


def _across(codes: Codes, groups: np.ndarray, relative: str, title: str) -> Iterator[Finding]:
    """Held-out samples with a relative in training, without exact copies: headline scores leave them out."""
    version, train = codes.version, codes.rows("train")
    for split in ("test", "valid"):
        held_out = codes.counted(split)
        found = leak(groups, version.targets, train, held_out)
        if not len(found.rows):
            continue
        yield Finding(
            "warning",
            f"{title} of training samples in {split}",
            f"{len(found.rows):,} of {found.held_out:,} {split} samples ({found.share:.1%}) have a "
            f"{relative} in training that is no exact copy; {found.words(relative)}",
            len(found.rows),
            examples=beside(groups, found.rows, train),
        )


def _conflicts(codes: Codes, groups: np.ndarray) -> Iterator[Finding]:
    """Near duplicates that are labelled differently, where no exact copies say so already."""
    labels = codes.labels
    many = several(groups, labels) & ~several(codes.digest, labels)
    torn = np.unique(groups[many])
    if len(torn):
        yield Finding(
            "warning",
            "near duplicates with different labels",
            f"{len(torn):,} groups of near duplicates stand under several labels; look at them: either a "
            f"label is wrong, or the difference that matters is small",
            len(torn),
            examples=_members(groups, torn, labels),
        )


def _within(codes: Codes, groups: np.ndarray) -> Iterator[Finding]:
    """How many groups there are of samples that are near but not equal."""
    many = np.unique(groups[several(groups, codes.digest)])
    if len(many):
        samples = int(np.isin(groups, many).sum())
        largest = np.bincount(np.searchsorted(many, groups[np.isin(groups, many)])).max()
        yield Finding(
            "info",
            "near duplicates",
            f"{samples:,} samples in {len(many):,} groups are near duplicates; "
            f"the largest group has {largest:,}",
            samples,
            examples=_members(groups, many, codes.digest),
        )


def _beginnings(codes: Codes, groups: np.ndarray) -> Iterator[Finding]:
    many = np.unique(groups[several(groups, codes.digest)])
    if not len(many):
        return
    samples = int(np.isin(groups, many).sum())
    yield Finding(
        "info",
        "texts that begin alike",
        f"{samples:,} texts in {len(many):,} groups share their first {HEAD} words but are not equal: they "
        f"may go back to one text, and then belong in one group",
        samples,
        examples=_members(groups, many, codes.digest),
    )
    yield from _across(codes, groups, "text that begins alike", "beginnings")


def _members(groups: np.ndarray, shown: np.ndarray, values: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """A few rows of each of these groups, one for each value first."""
    examples = []
    for group in shown[:SHOWN]:
        rows = np.flatnonzero(groups == group)
        _, first = np.unique(values[rows], return_index=True)
        chosen = [*rows[np.sort(first)], *np.delete(rows, first)]
        examples.append(tuple(int(row) for row in chosen[:_OF_A_GROUP]))
    return tuple(examples)
