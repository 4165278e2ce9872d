"""Labels from folders, and the rest from a table beside them that names the files but says no label."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.data.columns import attribute_columns, file_columns, known_labels
from holdfast.data.listing import Listing
from holdfast.data.lookup import Lookup
from holdfast.data.plan import SourceOptions, ignoring, some
from holdfast.data.sheet_columns import SHEET_SPLIT
from holdfast.data.tables import Column, Table


@dataclass(frozen=True)
class Beside:
    """A table as it is read: what the folders say of its files is in it as a column of labels."""

    table: Table
    splits: Column
    """Of each row, where it is not a column of the table that says it; else empty."""
    options: SourceOptions
    notes: tuple[str, ...] = ()


def take_folders(
    seen: Beside, folders: Callable[[], tuple[Listing, Sequence[str], Sequence[str]]], lookup: Lookup
) -> Beside:
    """Add the labels that folders say, where no column does; else give back what was seen.

    Args:
        seen: the table, and what the user said of it.
        folders: called where they may count: the files that may be samples, and the split and the class
            that each of their folders speaks of, either empty.
        lookup: finds the files that the rows mean.

    Raises:
        DataError: if columns of 0 and 1 may as well be the labels, if a row may mean several files, or if the
            table names less than half of the files, so that it may be about something else.
    """
    table, options = seen.table, seen.options
    free = [column for column in table.columns if column not in options.ignore]
    if options.label is not None or options.text is not None or SHEET_SPLIT in free or known_labels(free):
        return seen
    file = _file_column(table, options, free, lookup)
    if file is None:
        return seen
    media, split_of, class_of = folders()
    classes = sorted({class_of[place] for place in np.unique(media.folder)} - {""})
    if len(classes) < 2:
        return seen
    named = (options.group, options.split, options.time, file)
    _refuse_attributes(table, [column for column in free if column not in named], classes)
    at = _folder_of(table, options, file, media, lookup)
    column = next(name for name in ("folder", "the folder", "class folder") if name not in table.columns)
    columns = {**table.columns, column: Column(pyarrow.chunked_array([_taken(class_of, at)]))}
    splits = Column(pyarrow.chunked_array([_taken(split_of, at)])) if any(split_of) else seen.splits
    said = (
        f"the labels are the folders of the files, {some(classes)}, because no column of {table.name} "
        "is called label; --label COLUMN takes a column"
    )
    return Beside(
        Table(table.name, columns, table.broken),
        splits,
        replace(options, label=(column,), between=options.between or ""),
        (said,),
    )


def _file_column(table: Table, options: SourceOptions, free: list[str], lookup: Lookup) -> str | None:
    """The one column that names files; of several, or of none, it is told elsewhere."""
    if options.file:
        return options.file if options.file in table.columns else None
    files = file_columns(table, free, lookup)
    return files[0] if len(files) == 1 else None


def _refuse_attributes(table: Table, columns: Sequence[str], classes: Sequence[str]) -> None:
    attributes = attribute_columns(table, columns)
    if len(attributes) > 1:
        raise DataError(
            f"the folders {some(classes)} may be the labels, and so may the columns {some(attributes)} of 0 "
            f"and 1; {table.describe()}",
            hint=f"say which: --label {','.join(attributes)} takes the columns, "
            f"{ignoring(attributes)} the folders",
        )


def _folder_of(
    table: Table, options: SourceOptions, column: str, media: Listing, lookup: Lookup
) -> pyarrow.Array:
    """The folder of the file of each row, as a place in `media.folders`; null where there is no file."""
    values = table.columns[column].unique
    found = lookup.find_all(values.to_pylist(), table.name)
    unclear = [problem for name, problem in found if name is None and problem.startswith("several")]
    if unclear:
        raise DataError(
            f"{len(unclear):,} values of {column!r} in {table.name} may mean one file or another: "
            + unclear[0],
            hint=f"write the path in {column!r}, from the folder of {table.name} down, such as cat/1.wav",
        )
    names = pyarrow.array([name for name, _ in found], pyarrow.string())
    places = pc.index_in(names, media.names)
    few = len(pc.unique(places.drop_null()))
    if options.file is None and few < len(media) / 2:
        raise DataError(
            f"{table.name} names {few:,} of {len(media):,} files and says no label: are these the samples? "
            + table.describe(),
            hint=f"take all files, by their folders alone: {ignoring([table.name])}; "
            f"or only those that it names: --file {shlex.quote(column)}",
        )
    folders = pyarrow.array(media.folder).take(places)
    return folders.take(pc.index_in(table.columns[column].values, values).combine_chunks())


def _taken(words: Sequence[str], at: pyarrow.Array) -> pyarrow.Array:
    return pyarrow.array(words, pyarrow.string()).take(at).fill_null("")
