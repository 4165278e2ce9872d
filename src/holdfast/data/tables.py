"""Tables as users have them (CSV, TSV, Parquet, JSON lines), read into columns of text."""

import csv
import io
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Self

import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.data.plan import Quarantined, some, telling

_DELIMITERS = ",;\t|"
_CHUNK = 1 << 14


class Column:
    """The values of one column of a table, all of them text; a missing one is empty.

    >>> ages = Column(pyarrow.chunked_array([["7", "7", ""]]))
    >>> len(ages), ages.first(2), ages.different
    (3, ['7', '7'], ['7', ''])
    """

    def __init__(self, values: pyarrow.ChunkedArray) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def first(self, count: int) -> list[str]:
        """The first values."""
        return self.part(0, count)

    def part(self, start: int, stop: int) -> list[str]:
        """The values of some rows."""
        values: list[str] = self.values[start:stop].to_pylist()
        return values

    @property
    def different(self) -> list[str]:
        """Each value once, in the order in which they first come."""
        values: list[str] = self.unique.to_pylist()  # kept as a column: there may be a million
        return values

    @cached_property
    def unique(self) -> pyarrow.Array:
        """As `different`, in a column."""
        return pc.unique(self.values)


@dataclass(frozen=True)
class Table:
    """Columns of equal length."""

    name: str
    columns: dict[str, Column]
    broken: tuple[tuple[str, str], ...] = ()
    """Lines that do not fit the header: (where, reason). They are not in the columns."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def describe(self, most: int = 30) -> str:
        """The columns with a few of their values, to show in a message."""
        lines = [
            f"  {column}: {some(values.different, most=3, width=30)}"
            for column, values in list(self.columns.items())[:most]
        ]
        if len(self.columns) > most:
            lines.append(f"  … and {len(self.columns) - most} more columns")
        return "\n".join([f"{self.name} has {len(self):,} rows and these columns:", *lines])


def read_table(name: str, data: bytes) -> Table:
    """Read a table.

    Raises:
        DataError: if it cannot be read, has no rows, or names a column twice.

    >>> read_table("a.csv", b"file,label\\n1.png,cat\\n").columns["label"].different
    ['cat']
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".parquet" or data.startswith(b"PAR1"):
        table = _from_parquet(name, data)
    elif suffix in (".jsonl", ".ndjson"):
        table = _from_json_lines(name, data)
    else:
        table = _from_csv(name, data, delimiter="\t" if suffix == ".tsv" else None)
    if not len(table):
        with telling([Quarantined(where, "", reason) for where, reason in table.broken]):
            raise DataError(
                f"{name} has no rows", hint="give a table with a header and at least one row a label"
            )
    return table


def _from_csv(name: str, data: bytes, delimiter: str | None) -> Table:
    text = _decoded(name, data)
    header_line = text.partition("\n")[0]
    delimiter = delimiter or max(_DELIMITERS, key=header_line.count)
    csv.field_size_limit(2**31 - 1)
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = [column.strip() for column in next(reader, [])]
        _refuse_open_quote(name, lines.take(), 1, delimiter)
        _refuse_twice(name, header)
        rows, broken, start = _Rows(header), [], reader.line_num
        for row in reader:
            _refuse_open_quote(name, lines.take(), start + 1, delimiter)
            start = reader.line_num
            if len(row) == len(header):
                rows.add(row)
            elif row:
                where = f"{name} line {reader.line_num}"
                broken.append((where, f"{len(row)} values for {len(header)} columns"))
    except csv.Error as error:
        raise DataError(f"{name} line {reader.line_num} cannot be read as CSV: {error}") from error
    return Table(name, rows.columns(), tuple(broken))


class _Lines:
    """Lines one by one, and those since somebody last asked."""

    def __init__(self, text: str) -> None:
        end = ["\n"]  # which an open quote swallows
        self._lines = itertools.chain(io.StringIO(text, newline=""), end)
        self._since: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._since.append(line)
        return line

    def take(self) -> list[str]:
        since, self._since = self._since, []
        return since


class _Rows:
    """Rows that become columns as they come: as Python objects a million of them take a gigabyte."""

    def __init__(self, header: Sequence[str]) -> None:
        self._header = header
        self._rows: list[Sequence[str]] = []
        self._parts: list[list[pyarrow.Array]] = [[] for _ in header]

    def add(self, row: Sequence[str]) -> None:
        self._rows.append(row)
        if len(self._rows) == _CHUNK:
            self._flush()

    def columns(self) -> dict[str, Column]:
        self._flush()
        text = pyarrow.large_string()
        return {
            name: Column(pyarrow.chunked_array(parts, text))
            for name, parts in zip(self._header, self._parts, strict=True)
        }

    def _flush(self) -> None:
        if self._rows:
            for part, values in zip(self._parts, zip(*self._rows, strict=True), strict=True):
                part.append(pyarrow.array(values, pyarrow.large_string()))
            self._rows = []


def _refuse_open_quote(name: str, lines: Sequence[str], number: int, delimiter: str) -> None:
    """Raise DataError if these lines are one row only because a quote was not closed where it should be."""
    if len(lines) < 2:
        return
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{name}: a quote opened in line {number} is never closed",
            hint='close it, or write a quote that is part of a value as ""',
        ) from error


def _decoded(name: str, data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{name} line {line} is not UTF-8 text: byte {data[error.start]:#04x}",
            hint="save the table as UTF-8",
        ) from error


def _from_json_lines(name: str, data: bytes) -> Table:
    found: list[dict[str, str]] = []
    parts: list[dict[str, pyarrow.Array]] = []
    broken = []
    for number, line in enumerate(io.StringIO(_decoded(name, data), newline="\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            broken.append((f"{name} line {number}", f"not JSON: {error}"))
            continue
        if not isinstance(row, dict):
            broken.append((f"{name} line {number}", "not a JSON object"))
            continue
        texts = {column: _as_text(value) for column, value in row.items()}
        if not _is_whole("".join([*texts, *texts.values()])):
            broken.append(
                (f"{name} line {number}", "half a character: a \\ud800 to \\udfff without its partner")
            )
            continue
        found.append(texts)
        if len(found) == _CHUNK:
            parts.append(_columns_of(found))
            found = []
    parts.append(_columns_of(found))
    header = list(dict.fromkeys(column for part in parts for column in part))
    lengths = [len(next(iter(part.values()), ())) for part in parts]
    text = pyarrow.large_string()
    columns = {
        column: [part.get(column, _empty(length)) for part, length in zip(parts, lengths, strict=True)]
        for column in header
    }
    return Table(
        name, {c: Column(pyarrow.chunked_array(values, text)) for c, values in columns.items()}, tuple(broken)
    )


def _columns_of(rows: Sequence[dict[str, str]]) -> dict[str, pyarrow.Array]:
    header = dict.fromkeys(column for row in rows for column in row)
    text = pyarrow.large_string()
    return {column: pyarrow.array([row.get(column, "") for row in rows], text) for column in header}


def _empty(length: int) -> pyarrow.Array:
    return pyarrow.repeat("", length).cast(pyarrow.large_string())


def _is_whole(text: str) -> bool:
    """Whether UTF-8 can hold a text: JSON may speak of half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _from_parquet(name: str, data: bytes) -> Table:
    from pyarrow import parquet

    try:
        table = parquet.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name} cannot be read as Parquet: {error}") from error
    _refuse_twice(name, table.column_names)
    flat = [f.name for f in table.schema if not pyarrow.types.is_nested(f.type)]
    return Table(name, {column: Column(_texts(table.column(column))) for column in flat})


def _texts(values: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """A column as text; what is text already is taken as it is."""
    text = pyarrow.large_string()
    if pyarrow.types.is_string(values.type) or pyarrow.types.is_large_string(values.type):
        return pc.fill_null(values.cast(text), "")
    parts = [
        pyarrow.array([_as_text(value) for value in values[start : start + _CHUNK].to_pylist()], text)
        for start in range(0, len(values), _CHUNK)
    ]
    return pyarrow.chunked_array(parts, text)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() else str(value)  # pandas makes 1 a 1.0 beside a blank
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _refuse_twice(name: str, header: Sequence[str]) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise DataError(f"{name} names columns twice: {some(twice)}", hint="rename one of each")
