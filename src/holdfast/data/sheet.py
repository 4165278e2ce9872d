"""The table of a version's samples that lies beside them when they are given back: labels, groups, splits."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import csv

from holdfast.core.media import SUFFIXES
from holdfast.data.plan import META
from holdfast.data.sheet_columns import SHEET_SPLIT, column_of
from holdfast.data.version import Version

SHEET = "samples.csv"
"""Its name. `holdfast data add` reads it again, with the same labels, groups and splits."""
_TEXT_ROWS = 4096
_NUMBER = r"^(?P<table>.*)(?: row |#)(?P<number>\d{1,18})$"


def are_files(version: Version) -> np.ndarray:
    """Which samples were files; the others are texts of a table. bool, shape (n,)."""
    if version.info.modality != "text":
        return np.ones(len(version), bool)
    lower = pc.utf8_lower(version.table.column("name"))
    found = np.zeros(len(version), bool)
    for suffix in SUFFIXES["text"]:
        found |= np.asarray(pc.ends_with(lower, suffix).to_numpy(), bool)
    return found


def write_sheet(version: Version, path: Path) -> None:
    """Write the table as CSV: file or text, labels, group, split, metadata; by name, or by number of row.

    Where a sample was in a group of its own, the group is left empty.
    """
    is_file = are_files(version)
    rows = _in_order(version)
    columns = sheet(version)
    if is_file.all():
        csv.write_csv(columns.take(rows), path)
        return
    schema = pyarrow.schema(
        [("text", pyarrow.string()), *(field for field in columns.schema if field.name != "file")]
    )
    with csv.CSVWriter(path, schema) as writer:
        for start in range(0, len(rows), _TEXT_ROWS):
            some = rows[start : start + _TEXT_ROWS]
            texts = [version.read(int(row)).decode() for row in some]
            part = columns.take(some).drop_columns(["file"])
            writer.write_table(part.add_column(0, "text", pyarrow.array(texts, pyarrow.string())))


def sheet(version: Version) -> pyarrow.Table:
    """A row a sample, in the version's order: file, label, group, split, metadata.

    Many labels are columns of 0 and 1, before that of the splits.
    """
    table = version.table
    columns: dict[str, Any] = {"file": table.column("name")}
    if version.info.task == "single":
        columns["label"] = pc.list_flatten(table.column("labels"))
    else:
        for place, label in enumerate(version.info.labels):
            columns[column_of(label)] = pyarrow.array(version.targets[:, place])
    alone = pc.equal(table.column("group"), table.column("digest"))
    if not pc.all(alone).as_py():
        columns["group"] = pc.if_else(alone, "", table.column("group"))
    columns[SHEET_SPLIT] = table.column("split")
    for name in table.column_names:
        if name.startswith(META):
            columns[_free(column_of(name.removeprefix(META)), columns)] = table.column(name)
    return pyarrow.table(columns)


def _free(name: str, taken: Collection[str]) -> str:
    """The name of metadata, with a dash below it if another column has it."""
    while name in taken:
        name += "_"
    return name


def _in_order(version: Version) -> np.ndarray:
    """Rows by name; names that differ by a number only, by that number."""
    names = version.table.column("name").combine_chunks()
    parts = pc.extract_regex(names, _NUMBER)
    heads = pc.coalesce(pc.struct_field(parts, "table"), names)
    numbers = pc.fill_null(pc.struct_field(parts, "number").cast(pyarrow.int64()), 0)
    keys = pyarrow.table({"head": heads, "number": numbers, "name": names})
    order = pc.sort_indices(keys, sort_keys=[(key, "ascending") for key in keys.column_names])
    return np.asarray(order.to_numpy())
