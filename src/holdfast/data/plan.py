"""What a source holds, row by row, before anything is stored."""

import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.core.errors import DataError
from holdfast.core.media import Modality, Task

if TYPE_CHECKING:  # what a user says of a source is read without it
    import pyarrow

SPLITS = ("train", "valid", "test")
META = "meta."
"""Columns of the source that are neither label, group nor split are kept under this prefix."""

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class SourceOptions:
    """What the user says about a source; None leaves it to detection."""

    label: str | tuple[str, ...] | None = None
    """The column of labels; several columns (or a comma-separated list) of 0 and 1 mean many labels."""
    between: str | None = None
    """What stands between several labels in one cell, such as `|`; empty if each cell is one label."""
    group: str | None = None
    """The column whose rows of one value must stay in one split."""
    group_name: str | None = None
    """A pattern of the part of each name that is its group, where no column is, such as `rec\\d+`."""
    text: str | None = None
    """The column that holds the texts themselves."""
    file: str | None = None
    """The column that names the files."""
    split: str | None = None
    """The column that says train, valid or test."""
    time: str | None = None
    """The column that says when a sample was made: the newest are held out. It stays metadata."""
    ignore: tuple[str, ...] = ()
    """Patterns of files (`*.md`, `old/`) and names of columns that do not count."""
    test_share: float = 0.2
    """Share of the samples held out, where the source gives no test split; 1 for a set to test on alone."""
    valid_share: float = 0.1
    """Share of the samples for validation, where the source gives none."""
    seed: int = 0
    """Another seed cuts other splits."""


@dataclass(frozen=True)
class Quarantined:
    """A sample that was left out, and why."""

    name: str
    digest: str
    """Empty where there were no bytes to digest."""
    reason: str


@dataclass(frozen=True)
class Plan:
    """All that was found in a source."""

    modality: Modality
    task: Task
    labels: tuple[str, ...]
    """All labels, sorted; for many labels also those that no sample has."""
    rows: "pyarrow.Table"
    """One row a sample: `name`, `labels` (a list), `group` (empty where the source knows none), `split`
    (empty where the source does not say). Either `text`, or the file's `size`, `changed` and `inode`. Other
    columns of the source follow, under META."""
    quarantined: Sequence[Quarantined] = ()
    notes: Sequence[str] = ()
    """What the user should hear."""
    fixed: bool = False
    """Whether the splits stand as they are given: nothing is cut from training."""

    @property
    def has_files(self) -> bool:
        """Whether names are those of files; else the texts are in the rows."""
        return "text" not in self.rows.column_names


@contextmanager
def telling(quarantined: Sequence[Quarantined]) -> Iterator[None]:
    """Let an error say too what was left out before it: that may be what is wrong."""
    try:
        yield
    except DataError as error:
        if not quarantined:
            raise
        left_out = f"{len(quarantined):,} samples cannot be used: {reasons(quarantined)}"
        raise type(error)(f"{error.message}\n{left_out}", hint=error.hint) from error


def reasons(quarantined: Sequence[Quarantined]) -> str:
    """Why samples were left out, with counts, to show in a message."""
    return told_counts(Counter(item.reason for item in quarantined), "reasons")


def told_counts(counts: Counter[str], what: str, *, most: int = 5) -> str:
    """The most frequent of these with their counts, and how many others there are.

    >>> told_counts(Counter({"no label": 7, "empty": 2, "too large": 1}), "reasons", most=1)
    'no label (7); and 2 more reasons (3)'
    """
    most = most + 1 if len(counts) == most + 1 else most  # "1 more" would take as much room
    common = counts.most_common()
    shown = [f"{word} ({count:,})" for word, count in common[:most]]
    if others := common[most:]:
        shown.append(f"and {len(others):,} more {what} ({sum(count for _, count in others):,})")
    return "; ".join(shown)


def ignoring(patterns: Sequence[str], *, most: int = 8) -> str:
    """The options that leave these out, to show in a hint.

    >>> print(ignoring(["*.txt", "old"]))
    --ignore '*.txt' --ignore old
    """
    more = f" … ({len(patterns):,} in all)" if len(patterns) > most else ""
    return " ".join(f"--ignore {shlex.quote(storable(pattern))}" for pattern in patterns[:most]) + more


def split_name(text: str) -> str | None:
    """The split that a folder or a value stands for, or None.

    >>> split_name("Validation"), split_name("cats")
    ('valid', None)
    """
    return _SPLIT_NAMES.get(text.strip().casefold())


def normal(text: str) -> str:
    """Text in the one Unicode form (NFC) in which names are compared; macOS writes another."""
    return unicodedata.normalize("NFC", storable(text))


def storable(text: str) -> str:
    """Text that UTF-8 can hold: file names on Linux may be any bytes, and JSON may hold half characters."""
    return text.encode("utf-8", "replace").decode()


def some(values: Sequence[str], *, most: int = 5, width: int = 40, total: int | None = None) -> str:
    """A few values, to show in a message; `total` of them where these are only the first.

    >>> some(["a", "b", "c"], most=2)
    "'a', 'b', … (3 in all)"
    """
    shown = ", ".join(repr(v if len(v) <= width else v[:width] + "…") for v in map(storable, values[:most]))
    total = total or len(values)
    return shown if total <= most else f"{shown}, … ({total:,} in all)"
