"""What may be wrong with a dataset, before anyone trains on it."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow
from pyarrow import compute

from holdfast.data.check_labels import label_findings
from holdfast.data.check_near import near_findings
from holdfast.data.check_samples import sample_findings
from holdfast.data.codes import Codes, encoded, names_of
from holdfast.data.columns import looks_like_group
from holdfast.data.drift import split_drift, version_drift
from holdfast.data.finding import LEVELS, Finding
from holdfast.data.info import QUARANTINE, restore_command
from holdfast.data.leak import leak
from holdfast.data.parquets import read_parquet
from holdfast.data.plan import META, some, told_counts
from holdfast.data.relatives import SHOWN, beside, several
from holdfast.data.version import Version

_SERIES = 12
"""With fewer beginnings, names say the label, the split, or who took the pictures."""


def check(
    version: Version,
    *,
    shards: bool = True,
    signatures: pyarrow.Table | None = None,
    against: tuple[Version, pyarrow.Table | None] | None = None,
) -> list[Finding]:
    """All findings, the worst first: damage, conflicts, leaks, labels, doubtful samples, drift.

    Args:
        version: what is looked at.
        shards: whether to read every shard once and look for damage.
        signatures: of its samples, to look for near duplicates, blank and silent samples too.
        against: another version and its signatures, to say what has drifted since.
    """
    codes = Codes(version)
    found = [
        *(_damaged_shards(version) if shards else ()),
        *_conflicts(codes),
        *_crossing_groups(codes),
        *label_findings(codes),
        *_twins(codes),
        *_copies(codes),
        *(near_findings(codes, signatures) if signatures is not None else ()),
        *(list(_group_columns(codes)) or _series(codes)),
        *sample_findings(version, signatures),
        *split_drift(codes, signatures),
        *(version_drift(codes, signatures, *against) if against else ()),
        *_quarantined(version),
    ]
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


def _conflicts(codes: Codes) -> Iterator[Finding]:
    """Exact copies that are labelled differently."""
    version = codes.version
    rows = np.flatnonzero(several(codes.digest, codes.labels))
    if len(rows):
        torn = _by_digest(codes, rows)
        shown_rows = np.concatenate(torn)[:6]
        named = zip(names_of(version, shown_rows), shown_rows, strict=True)
        shown = [f"{name} ({', '.join(version.labels_of(int(row))) or 'no label'})" for name, row in named]
        yield Finding(
            "error",
            "exact copies with different labels",
            f"{len(torn)} files stand under several labels, of which at most one can be right: "
            f"{some(shown, width=80)}",
            len(torn),
            examples=tuple(tuple(map(int, part[:4])) for part in torn[:SHOWN]),
        )


def _by_digest(codes: Codes, rows: np.ndarray) -> list[np.ndarray]:
    """Rows in groups of exact copies."""
    rows = rows[np.argsort(codes.digest[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(codes.digest[rows])) + 1)


def _crossing_groups(codes: Codes) -> Iterator[Finding]:
    version = codes.version
    rows = np.flatnonzero(several(codes.group, codes.split) & several(codes.group, codes.digest))
    if not len(rows):
        return
    crossing = version.table.column("group").take(rows).unique().to_pylist()
    found = leak(codes.group, version.targets, codes.rows("train"), codes.counted("test"))
    effect = (
        f"; {len(found.rows):,} of {found.held_out:,} test samples are of a group in training, "
        f"and {found.words('group')}"
    )
    yield Finding(
        "error",
        "groups in several splits",
        f"the splits that the source gives tear these groups apart, so scores will be too good: "
        f"{some(sorted(crossing))}{effect if len(found.rows) else ''}",
        len(crossing),
    )


def _twins(codes: Codes) -> Iterator[Finding]:
    version = codes.version
    if version.info.twins:
        rows = np.flatnonzero(version.twins)
        tested = codes.rows("test")
        test = int(version.twins[tested].sum())
        yield Finding(
            "warning",
            "copies of training samples",
            f"{test} of {len(tested)} test samples and {version.info.twins - test} "
            f"validation samples are in training too, byte for byte; headline scores leave them out",
            version.info.twins,
            examples=beside(codes.digest, rows, codes.rows("train")),
        )


def _copies(codes: Codes) -> Iterator[Finding]:
    """Exact copies under the same labels; those under others are conflicts."""
    several_times = np.bincount(codes.digest)[codes.digest] > 1
    rows = np.flatnonzero(several_times & ~several(codes.digest, codes.labels))
    if not len(rows):
        return
    groups = _by_digest(codes, rows)
    yield Finding(
        "info",
        "exact copies",
        f"{len(rows):,} samples in {len(groups):,} groups are exact copies under the same labels, so "
        f"{len(rows) - len(groups):,} say nothing new; the largest group has {max(map(len, groups)):,}",
        len(rows) - len(groups),
        examples=tuple(tuple(map(int, group[:4])) for group in groups[:SHOWN]),
    )


def _group_columns(codes: Codes) -> Iterator[Finding]:
    """Columns of the source whose values look like patients or recordings, and what they leak."""
    if not codes.alone.all():
        return  # groups were given
    table = codes.version.table
    for name in (name for name in table.column_names if name.startswith(META)):
        column, (groups, words) = name.removeprefix(META), encoded(table.column(name))
        if looks_like_group(column, len(words), len(table)):
            yield Finding(
                "warning",
                "a column that looks like a group",
                f"samples of one {column!r} may lie in training and in test; use --group {column}"
                + _known(codes, groups, column.replace("_", " ")),
                len(words),
            )


def _series(codes: Codes) -> Iterator[Finding]:
    """File names that differ only in a number at the end, as clips of one recording or frames of one film do.

    `lion (1).jpg` to `lion (84).jpg` are no series: there must be far more beginnings than labels.
    """
    if not codes.alone.all() or "format" not in codes.version.table.column_names:
        return  # groups were given, or texts of a table have row numbers for names
    stems = compute.replace_substring_regex(
        codes.version.table.column("name"), r"[ _-]*\(?\d+\)?(\.[A-Za-z0-9]+)?$", ""
    )
    stems = compute.replace_substring_regex(stems, r"^.*/", "")
    groups, words = encoded(stems)
    shares = np.bincount(groups) / max(len(groups), 1)
    effective = 1 / max(np.square(shares).sum(), 1 / max(len(groups), 1))  # as many equal ones mix as much
    if max(_SERIES, 2.5 * len(codes.version.info.labels)) < effective < len(groups) / 2:
        yield Finding(
            "warning",
            "names that look like series",
            f"the names of the files have {len(words):,} beginnings, such as "
            f"{some(words.slice(0, 3).to_pylist())}, and then differ only in a number; if files "
            f"that begin alike are of one origin, say so with --group-name, or with --group and a column"
            + _known(codes, groups, "series"),
            len(words),
        )


def _known(codes: Codes, groups: np.ndarray, relative: str) -> str:
    version = codes.version
    found = leak(groups, version.targets, codes.rows("train"), codes.counted("test"))
    if not len(found.rows):
        return ""
    return (
        f"; {len(found.rows):,} of {found.held_out:,} test samples ({found.share:.0%}) share theirs with "
        f"training, and {found.words(relative)}"
    )


def _quarantined(version: Version) -> Iterator[Finding]:
    if not version.info.quarantined:
        return
    name = f"{version.info.name}@{version.info.version}"
    why = read_parquet(version.folder / QUARANTINE, columns=["reason"]).column("reason").value_counts()
    told = told_counts(Counter({row["values"]: row["counts"] for row in why.to_pylist()}), "reasons")
    yield Finding(
        "warning",
        "samples that were left out",
        f"{version.info.quarantined:,} samples are in quarantine: {told}; "
        f"see which with `holdfast data show {name}`",
        version.info.quarantined,
    )
