"""What the user should hear about the samples of a version."""

from collections.abc import Sequence

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.data.parquets import whole
from holdfast.data.plan import Quarantined, reasons, some
from holdfast.data.splits import Earlier
from holdfast.data.units import index_of


def sample_notes(table: pyarrow.Table, quarantined: Sequence[Quarantined], earlier: Earlier) -> list[str]:
    """Samples that were left out, copies under different labels, twins, and samples that moved.

    Args:
        table: the samples, sorted by digest.
        quarantined: those that are not in it.
        earlier: the splits that earlier versions gave.
    """
    notes = []
    if quarantined:
        notes.append(
            f"{len(quarantined):,} samples cannot be used and are in quarantine: {reasons(quarantined)}"
        )
    torn, files = _torn(table)
    if torn:
        groups = "1 group" if files == 1 else f"{files:,} groups"
        notes.append(
            f"{len(torn):,} samples in {groups} of exact copies stand under different labels: {some(torn)}"
        )
    if twins := pc.sum(table.column("twin")).as_py():
        notes.append(f"{twins:,} test or validation samples are in training too, byte for byte")
    if moved := _moved(table, earlier):
        notes.append(f"the source moved {moved:,} samples to another split than in the earlier version")
    return notes


def told_gone(before: pyarrow.Table, after: pyarrow.Table, refs: tuple[str, str]) -> list[str]:
    """How many samples of the version before are gone or labelled otherwise; nothing where none is.

    Args:
        before: the samples of the latest version: `digest` and `labels`.
        after: those of the version to come.
        refs: of both.

    >>> before = pyarrow.table({"digest": ["a", "b", "c"], "labels": [["x"], ["x"], ["y"]]})
    >>> after = pyarrow.table({"digest": ["a", "d"], "labels": [["y"], ["y"]]})
    >>> told_gone(before, after, ("t@1", "t@2"))[0]
    '2 of 3 samples of t@1 are gone, and 1 has other labels; `holdfast data diff t@1 t@2` shows them'
    """
    old, new = whole(before.column("digest")), whole(after.column("digest"))
    gone = pc.invert(pc.is_in(old, new))
    keys = [_labelled(table) for table in (before, after)]
    other = pc.and_not(pc.invert(pc.is_in(keys[0], keys[1])), gone)
    lost, relabelled = (int(pc.sum(rows).as_py() or 0) for rows in (gone, other))
    if not lost and not relabelled:
        return []
    told = (
        [f"{lost:,} of {len(old):,} samples of {refs[0]} {'is' if lost == 1 else 'are'} gone"] if lost else []
    )
    if relabelled:
        of = "" if lost else f"of {len(old):,} samples of {refs[0]} "
        told.append(f"{relabelled:,} {of}{'has' if relabelled == 1 else 'have'} other labels")
    return [f"{', and '.join(told)}; `holdfast data diff {refs[0]} {refs[1]}` shows them"]


def _labelled(table: pyarrow.Table) -> pyarrow.Array:
    """The digest and the labels of each sample, in one text; labels are stored in one order."""
    labels = pc.binary_join(whole(table.column("labels")), "\x1f")
    return pc.binary_join_element_wise(whole(table.column("digest")), labels, "\x1f")


def _torn(table: pyarrow.Table) -> tuple[list[str], int]:
    """Names of exact copies that stand under different labels, copies side by side, and how many groups."""
    digests = whole(table.column("digest"))
    same = np.asarray(pc.equal(digests[1:], digests[:-1]), bool)
    copies = np.flatnonzero(np.r_[False, same] | np.r_[same, False])
    rows = table.select(["digest", "name", "labels"]).take(pyarrow.array(copies)).to_pylist()
    labels_of: dict[str, set[tuple[str, ...]]] = {}
    for row in rows:
        labels_of.setdefault(row["digest"], set()).add(tuple(row["labels"]))
    several = {digest for digest, labels in labels_of.items() if len(labels) > 1}
    return [row["name"] for row in rows if row["digest"] in several], len(several)


def _moved(table: pyarrow.Table, earlier: Earlier) -> int:
    """How many digests are in none of the splits that they were in."""
    if not len(earlier.digests):
        return 0
    digests = table.column("digest")
    at = index_of(digests, earlier.digests.column("digest"))
    before = earlier.digests.column("split").take(pyarrow.array(at, mask=at < 0))
    stayed = pc.equal(before, table.column("split")).fill_null(True)
    left = digests.filter(pc.invert(stayed))
    if not len(left):
        return 0
    copies = digests.filter(stayed)
    copies = copies.filter(pc.is_in(copies, left.combine_chunks()))
    return len(pc.unique(left.filter(pc.invert(pc.is_in(left, copies.combine_chunks())))))
