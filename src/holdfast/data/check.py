"""What may be wrong with a dataset, before anyone trains on it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow

from holdfast.data.check_near import near_findings

from holdfast.data.columns import looks_like_group
from holdfast.data.finding import LEVELS, Finding
from holdfast.data.plan import some
from holdfast.data.version import Version, restore_command

FEW = 10
"""A label with fewer samples than this in a split is measured by luck."""
UNEVEN = 20
"""The largest label has this many times the samples of the smallest: worth saying."""


def check(
    version: Version, *, shards: bool = True, signatures: pyarrow.Table | None = None
) -> list[Finding]:
    """All findings, the worst first: damage, conflicts, leaks, labels with few samples, what was left out.

    Args:
        version: what is looked at.
        shards: whether to read every shard once and look for damage.
        signatures: of the samples, to look for near duplicates too.
    """
    tests = (
        *((_damaged_shards,) if shards else ()),
        _conflicts,
        _crossing_groups,
        _missing_labels,
        _alike,
        _twins,
        _few,
        _uneven,
        _quarantined,
        _group_columns,
    )
    found = [finding for test in tests for finding in test(version)]
    if signatures is not None:
        found += near_findings(version, signatures)
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _damaged_shards(version: Version) -> Iterator[Finding]:
    damaged = [path.name for path in version.damaged_shards()]
    if damaged:
        yield Finding(
            "error",
            "damaged shards",
            f"{some(damaged, width=80)} are missing or hold other bytes than were stored; "
            f"run `{restore_command(version.info.name)}` again to restore them",
            len(damaged),
        )


def _conflicts(version: Version) -> Iterator[Finding]:
    """Exact copies that are labelled differently."""
    labels_of: dict[str, set[bytes]] = defaultdict(set)
    for digest, target in zip(version.digests, version.targets, strict=True):
        labels_of[digest].add(target.tobytes())
    torn = {digest for digest, labels in labels_of.items() if len(labels) > 1}
    if torn:
        rows = [index for index, digest in enumerate(version.digests) if digest in torn]
        shown = [f"{version.names[i]} ({', '.join(version.labels_of(i)) or 'no label'})" for i in rows]
        yield Finding(
            "error",
            "exact copies with different labels",
            f"{len(torn)} files stand under several labels, of which at most one can be right: "
            f"{some(shown, width=80)}",
            len(torn),
        )


def _crossing_groups(version: Version) -> Iterator[Finding]:
    splits_of: dict[str, set[str]] = defaultdict(set)
    digests_of: dict[str, set[str]] = defaultdict(set)
    for group, split, digest in zip(version.groups, version.splits, version.digests, strict=True):
        splits_of[group].add(split)
        digests_of[group].add(digest)
    crossing = [
        group for group, splits in splits_of.items() if len(splits) > 1 and digests_of[group] != {group}
    ]
    if crossing:
        yield Finding(
            "error",
            "groups in several splits",
            f"the splits that the source gives tear these groups apart, so scores will be too good: "
            f"{some(sorted(crossing))}",
            len(crossing),
        )


def _missing_labels(version: Version) -> Iterator[Finding]:
    for split in ("train", "test", "valid"):
        counts = _counts(version, split)
        missing = [label for label, count in zip(version.info.labels, counts, strict=True) if count == 0]
        if missing:
            yield Finding(
                "error" if split == "train" else "warning",
                f"labels missing in {split}",
                f"{some(missing)}: "
                + ("they cannot be learnt" if split == "train" else "they are not measured"),
                len(missing),
            )


def _alike(version: Version) -> Iterator[Finding]:
    """Labels that are one word but for case and blanks: most likely one label, written in several ways."""
    written: dict[str, list[str]] = defaultdict(list)
    for label in version.info.labels:
        written["".join(label.casefold().split())].append(label)
    alike = [ways for ways in written.values() if len(ways) > 1]
    if alike:
        shown = [" / ".join(map(repr, ways)) for ways in alike]
        yield Finding(
            "warning",
            "labels that look alike",
            f"they differ only in case or blanks, yet count as different labels: {some(shown, width=80)}",
            len(alike),
        )


def _twins(version: Version) -> Iterator[Finding]:
    if version.info.twins:
        test = int(version.twins[version.indices("test")].sum())
        yield Finding(
            "warning",
            "copies of training samples",
            f"{test} of {len(version.indices('test'))} test samples and {version.info.twins - test} "
            f"validation samples are in training too, byte for byte; headline scores leave them out",
            version.info.twins,
        )


def _few(version: Version) -> Iterator[Finding]:
    for split in ("train", "test"):
        counts = _counts(version, split)
        few = [
            f"{label} ({count})"
            for label, count in zip(version.info.labels, counts, strict=True)
            if 0 < count < FEW
        ]
        if few:
            yield Finding("warning", f"labels with few samples in {split}", some(few), len(few))
    yield from _few_groups(version)


def _few_groups(version: Version) -> Iterator[Finding]:
    """With fewer than three groups a label cannot be in all three splits."""
    if version.info.groups == len(set(version.digests)):
        return
    few = []
    for place, label in enumerate(version.info.labels):
        groups = len(set(version.groups[_has(version, place)]))
        if 0 < groups < 3:
            few.append(f"{label} ({groups})")
    if few:
        yield Finding("warning", "labels with fewer than 3 groups", some(few), len(few))


def _uneven(version: Version) -> Iterator[Finding]:
    counts = _counts(version, None)
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[most] > UNEVEN * max(counts[least], 1):
        labels = version.info.labels
        yield Finding(
            "info",
            "uneven labels",
            f"{labels[most]!r} has {counts[most]:,} samples and {labels[least]!r} {counts[least]:,}; "
            f"try loss.class_weights=balanced",
            1,
        )


def _quarantined(version: Version) -> Iterator[Finding]:
    if version.info.quarantined:
        name = f"{version.info.name}@{version.info.version}"
        yield Finding(
            "warning",
            "samples that were left out",
            f"{version.info.quarantined:,} samples are in quarantine; "
            f"see why with `holdfast data show {name}`",
            version.info.quarantined,
        )


def _group_columns(version: Version) -> Iterator[Finding]:
    if version.info.groups < len(set(version.digests)):
        return  # groups were given
    for column, values in version.metadata.items():
        if looks_like_group(column, values):
            yield Finding(
                "warning",
                "a column that looks like a group",
                f"samples of one {column!r} may lie in training and in test; use --group {column}",
                len(set(values)),
            )


def _counts(version: Version, split: str | None) -> Sequence[int]:
    targets = version.targets if split is None else version.targets[version.indices(split)]
    if version.info.task == "multi":
        return [int(count) for count in targets.sum(axis=0)]
    return [int(count) for count in np.bincount(targets, minlength=len(version.info.labels))]


def _has(version: Version, place: int) -> np.ndarray:
    if version.info.task == "multi":
        return np.asarray(version.targets[:, place] == 1)
    return np.asarray(version.targets == place)
