"""What the rows of a table say of samples."""

import pyarrow

from holdfast.data.columns import Roles, is_yes
from holdfast.data.lookup import Lookup
from holdfast.data.plan import META, Quarantined, normal, split_name, storable
from holdfast.data.tables import Table


def table_rows(
    table: Table, roles: Roles, lookup: Lookup, splits: list[str]
) -> tuple[pyarrow.Table, list[Quarantined]]:
    """What each row of a table says of a sample, as `Plan.rows` has it, and the rows that cannot be used.

    Args:
        table: the columns.
        roles: what each of them is.
        lookup: finds the files that are there.
        splits: of each row, where the names of tables say it; else empty.
    """
    kept: list[tuple[int, str, tuple[str, ...], str, str]] = []
    quarantined = []
    columns = table.columns
    ids = _row_names(table)
    for index in range(len(table)):
        name, file, problem = ids[index], None, ""
        if roles.file:
            name = columns[roles.file][index].strip() or name
            file, problem = lookup.find(name, table.name)
            name = file or name
        text = columns[roles.text][index] if roles.text else None
        if text is not None and not text.strip():
            problem = "empty text"
        split_text = columns[roles.split][index].strip() if roles.split else splits[index]
        if split_text and not split_name(split_text):
            problem = problem or f"{split_text!r} is not a split"
        labels, unlabelled = _row_labels(table, roles, index)
        if problem or unlabelled:
            quarantined.append(Quarantined(name, "", problem or unlabelled))
            continue
        group = normal(columns[roles.group][index].strip()) if roles.group else ""
        kept.append((index, storable(name), labels, group, split_name(split_text) or ""))
    return _as_table(kept, table, roles), quarantined


def _as_table(
    kept: list[tuple[int, str, tuple[str, ...], str, str]], table: Table, roles: Roles
) -> pyarrow.Table:
    text = pyarrow.string()
    indices, *parts = zip(*kept, strict=True) if kept else [()] * 5
    kinds = (text, pyarrow.list_(text), text, text)
    found = {
        name: pyarrow.array(values, kind)
        for name, values, kind in zip(("name", "labels", "group", "split"), parts, kinds, strict=True)
    }
    if roles.text:
        texts = table.columns[roles.text]
        raw = [
            texts[index].encode("utf-8", "surrogatepass") for index in indices
        ]  # the probe says what is wrong
        found["text"] = pyarrow.array(raw, pyarrow.large_binary())
    for column in roles.meta:
        values = table.columns[column]
        found[META + storable(column)] = pyarrow.array([storable(values[index]) for index in indices], text)
    return pyarrow.table(found)


def _row_labels(table: Table, roles: Roles, index: int) -> tuple[tuple[str, ...], str]:
    """The labels of a row, or why it has none."""
    if roles.task == "single":
        label = normal(table.columns[roles.labels[0]][index].strip())
        return ((label,), "") if label else ((), "no label")
    present = []
    for column in roles.labels:
        answer = is_yes(table.columns[column][index])
        if answer is None:
            return (), f"no value for {column!r}"
        if answer:
            present.append(normal(column))
    return tuple(sorted(present)), ""


def _row_names(table: Table) -> list[str]:
    """Values of a column called id if they differ, else the numbers of the rows."""
    for column, values in table.columns.items():
        if column.casefold() in ("id", "uid", "key") and len(set(values)) == len(values) and all(values):
            return [f"{table.name}#{value}" for value in values]
    return [f"{table.name} row {number}" for number in range(1, len(table) + 1)]
