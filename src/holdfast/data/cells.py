"""Several labels in one cell of a table: `red|round`, or a list of JSON."""

import json
from collections.abc import Sequence

import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.data.plan import SourceOptions, normal, some
from holdfast.data.tables import Table

LISTS = "[]"
"""Stands for lists of JSON, where other cells have a sign between their labels."""
_SIGNS = "|;,"


def separator(values: Sequence[str]) -> str | None:
    """What seems to stand between labels in these cells, or None if each seems to be one label.

    Cells that hold several share parts with others. A comma is common within a name, so there must be fewer
    parts than cells, and one of them must be a cell of its own.

    Args:
        values: each cell once.

    >>> separator(["red", "round", "red|round"]), separator(["Anas, male", "Anas, female", "Anser, male"])
    ('|', None)
    """
    cells = {value.strip() for value in values if value.strip()}
    if cells and all(_listed(cell) is not None for cell in cells):
        return LISTS
    for sign in _SIGNS:
        parts = [part for cell in cells for part in set(_parts(cell, sign))]
        different = set(parts)
        shared = len(different) < (len(cells) if sign == "," else len(parts))
        if shared and any(sign in cell for cell in cells) and (sign != "," or different & cells):
            return sign
    return None


def labels_in(cell: str, between: str) -> tuple[str, ...] | None:
    """The labels of a cell, sorted, each once; None if it should be a list and is none.

    Args:
        cell: as it stands in the table.
        between: what stands between two labels; LISTS for a list of JSON.

    >>> labels_in("round | red|red", "|"), labels_in("", "|"), labels_in('["red"]', LISTS)
    (('red', 'round'), (), ('red',))
    """
    found = _listed(cell) if between == LISTS else _parts(cell, between)
    return None if found is None else tuple(sorted({normal(label) for label in found}))


def between_labels(table: Table, labels: tuple[str, ...], options: SourceOptions) -> str | None:
    """What stands between the labels in a cell of the one column of labels; None if a cell is one label.

    Args:
        table: the columns.
        labels: the columns of labels.
        options: what the user said.

    Raises:
        DataError: if the user does not say it and cells seem to hold several, or what they say is not there.
    """
    if len(labels) > 1:
        if options.between:
            raise DataError(
                f"--between says that one cell holds several labels, but {some(labels)} are several columns",
                hint="leave it out, or name one column with --label",
            )
        return None
    values = table.columns[labels[0]].different
    found = separator(values) if options.between is None else None
    if found not in (None, LISTS):
        several = [value for value in values if found in value]
        raise DataError(
            f"cells of {labels[0]!r} seem to hold several labels: {some(several)}",
            hint=f"say what stands between them: --between {found!r}; or that each cell is one label: "
            "--between ''",
        )
    if options.between and not any(options.between in value for value in values):
        raise DataError(
            f"--between {options.between!r} stands in no cell of {labels[0]!r}; {table.describe()}",
            hint="give what stands between the labels of a cell, or leave it out",
        )
    return found or options.between or None


def told_empty(table: Table, column: str) -> list[str]:
    """That cells of a column are empty, for the user to hear."""
    values = pc.utf8_trim_whitespace(table.columns[column].values)
    empty = pc.sum(pc.equal(values, "")).as_py() or 0
    return [f"{empty:,} cells of {column!r} are empty: samples that have none of the labels"] if empty else []


def _parts(cell: str, sign: str) -> list[str]:
    return [part.strip() for part in cell.split(sign) if part.strip()]


def _listed(cell: str) -> list[str] | None:
    if not cell.strip().startswith("["):
        return None
    try:
        items = json.loads(cell)
    except (ValueError, RecursionError):  # lists within lists within lists are no labels
        return None
    if not all(isinstance(item, str | int) for item in items):
        return None
    return [label for item in items if (label := str(item).strip())]
