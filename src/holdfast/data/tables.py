"""Tables as users have them (CSV, TSV, Parquet, JSON lines), read into columns of text."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from holdfast.core.errors import DataError
from holdfast.data.plan import Quarantined, some, telling

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
"""Suffixes of tables."""
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """Columns of equal length. All values are text; a missing one is empty."""

    name: str
    columns: dict[str, list[str]]
    broken: tuple[tuple[str, str], ...] = ()
    """Lines that do not fit the header: (where, reason). They are not in the columns."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def describe(self, most: int = 30) -> str:
        """The columns with a few of their values, to show in a message."""
        lines = [
            f"  {column}: {some(list(dict.fromkeys(values)), most=3, width=30)}"
            for column, values in list(self.columns.items())[:most]
        ]
        if len(self.columns) > most:
            lines.append(f"  … and {len(self.columns) - most} more columns")
        return "\n".join([f"{self.name} has {len(self):,} rows and these columns:", *lines])


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table.

    >>> is_table("Labels.CSV"), is_table("a.jpg")
    (True, False)
    """
    return PurePosixPath(name).suffix.lower() in TABLES


def read_table(name: str, data: bytes) -> Table:
    """Read a table.

    Raises:
        DataError: if it cannot be read, has no rows, or names a column twice.

    >>> read_table("a.csv", b"file,label\\n1.png,cat\\n").columns
    {'file': ['1.png'], 'label': ['cat']}
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".parquet":
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
    lines = [*io.StringIO(text, newline=""), "\n"]  # an open quote swallows the last one
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = [column.strip() for column in next(reader, [])]
        _refuse_open_quote(name, lines[: reader.line_num], 1, delimiter)
        _refuse_twice(name, header)
        rows, broken, start = [], [], reader.line_num
        for row in reader:
            _refuse_open_quote(name, lines[start : reader.line_num], start + 1, delimiter)
            start = reader.line_num
            if len(row) == len(header):
                rows.append(row)
            elif row:
                where = f"{name} line {reader.line_num}"
                broken.append((where, f"{len(row)} values for {len(header)} columns"))
    except csv.Error as error:
        raise DataError(f"{name} line {reader.line_num} cannot be read as CSV: {error}") from error
    columns = {column: [row[index] for row in rows] for index, column in enumerate(header)}
    return Table(name, columns, tuple(broken))


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
    rows: list[dict[str, object]] = []
    broken = []
    for number, line in enumerate(_decoded(name, data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            broken.append((f"{name} line {number}", f"not JSON: {error}"))
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            broken.append((f"{name} line {number}", "not a JSON object"))
    header = list(dict.fromkeys(column for row in rows for column in row))
    columns = {column: [_as_text(row.get(column)) for row in rows] for column in header}
    return Table(name, columns, tuple(broken))


def _from_parquet(name: str, data: bytes) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name} cannot be read as Parquet: {error}") from error
    _refuse_twice(name, table.column_names)
    columns = {
        column: [_as_text(value) for value in table.column(column).to_pylist()]
        for column in table.column_names
        if not pyarrow.types.is_nested(table.schema.field(column).type)
    }
    return Table(name, columns)


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
