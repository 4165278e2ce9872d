"""What the rows of a table say of samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow

from holdfast.data.cells import labels_in
from holdfast.data.columns import Roles, is_yes
from holdfast.data.lookup import Lookup
from holdfast.data.plan import META, Quarantined, normal, split_name, storable
from holdfast.data.tables import Column, Table

_CHUNK = 1 << 16


def table_rows(
    table: Table, roles: Roles, lookup: Lookup, splits: Column
) -> tuple[pyarrow.Table, list[Quarantined]]:
    """What each row of a table says of a sample, as `Plan.rows` has it, and the rows that cannot be used.

    Args:
        table: the columns.
        roles: what each of them is.
        lookup: finds the files that are there.
        splits: of each row, where the names of tables say it; else empty.
    """
    ids = _ids(table)
    parts, quarantined = [], list[Quarantined]()
    for start in range(0, len(table), _CHUNK):
        chunk = _Chunk(table, roles, start, min(start + _CHUNK, len(table)))
        chunk.name(ids, lookup)
        chunk.label()
        chunk.split(splits)
        kept, bad = chunk.rows()
        parts.append(kept)
        quarantined += bad
    return pyarrow.concat_tables(parts), quarantined


@dataclass
class _Chunk:
    """Some rows of a table."""

    table: Table
    roles: Roles
    start: int
    stop: int
    names: list[str] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What is wrong with each row, the first thing that was found; empty where it is good."""

    def name(self, ids: str | None, lookup: Lookup) -> None:
        numbers = range(self.start + 1, self.stop + 1)
        given = self._values(ids) if ids else []
        self.names = [f"{self.table.name}#{value}" for value in given] or [
            f"{self.table.name} row {number}" for number in numbers
        ]
        self.problems = [""] * len(self.names)
        if self.roles.file:
            values = self._values(self.roles.file)
            found = lookup.find_all(values, self.table.name)
            told = zip(found, values, self.names, strict=True)
            self.names = [name or value.strip() or own for (name, _), value, own in told]
            self.problems = [problem for _, problem in found]
        elif self.roles.text:
            texts = self._values(self.roles.text)
            self.problems = ["" if text and not text.isspace() else "empty text" for text in texts]

    def label(self) -> None:
        columns = [self._values(column) for column in self.roles.labels]
        for place, values in enumerate(zip(*columns, strict=True)):
            labels, problem = _labels(self.roles, values)
            self.labels.append(labels)
            self.problems[place] = self.problems[place] or problem

    def split(self, splits: Column) -> None:
        values = self._values(self.roles.split) if self.roles.split else splits.part(self.start, self.stop)
        for place, value in enumerate(values):
            split = split_name(value) or ""
            self.splits.append(split)
            if value.strip() and not split:
                self.problems[place] = self.problems[place] or f"{value.strip()!r} is not a split"

    def rows(self) -> tuple[pyarrow.Table, list[Quarantined]]:
        text = pyarrow.string()
        groups = self._values(self.roles.group) if self.roles.group else [""] * len(self.names)
        columns = {
            "name": pyarrow.array(map(storable, self.names), text),
            "labels": pyarrow.array(self.labels, pyarrow.list_(text)),
            "group": pyarrow.array([normal(group.strip()) for group in groups], text),
            "split": pyarrow.array(self.splits, text),
        }
        kinds = {META + storable(self.roles.name_of(column)): (column, text) for column in self.roles.meta}
        if self.roles.text:
            kinds["text"] = (self.roles.text, pyarrow.large_binary())
        for name, (column, kind) in kinds.items():
            values = self.table.columns[column].values[self.start : self.stop]
            columns[name] = values.cast(kind).combine_chunks()
        good = pyarrow.array([not problem for problem in self.problems], pyarrow.bool_())
        bad = [
            Quarantined(name, "", problem)
            for name, problem in zip(self.names, self.problems, strict=True)
            if problem
        ]
        return pyarrow.table(columns).filter(good), bad

    def _values(self, column: str) -> list[str]:
        return self.table.columns[column].part(self.start, self.stop)


def _labels(roles: Roles, values: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The labels of a row, or why it has none."""
    if roles.task == "single":
        label = normal(values[0] if roles.ours else values[0].strip())
        return ((label,), "") if label.strip() else ((), "no label")
    if roles.between is not None:
        found = labels_in(values[0], roles.between)
        return ((), "no label") if found is None else (found, "")
    present = []
    for column, value in zip(roles.labels, values, strict=True):
        answer = is_yes(value)
        if answer is None:
            return (), f"no value for {column!r}"
        if answer:
            present.append(normal(roles.name_of(column)))
    return tuple(sorted(present)), ""


def _ids(table: Table) -> str | None:
    """A column called id, if its values are there and differ."""
    for name, column in table.columns.items():
        if (
            name.casefold() in ("id", "uid", "key")
            and len(column.unique) == len(column)
            and all(column.different)
        ):
            return name
    return None
