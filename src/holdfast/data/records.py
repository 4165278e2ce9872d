"""The rows of a version as Parquet holds them, and what earlier versions say."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow

from holdfast.data.plan import Quarantined, Row, storable
from holdfast.data.shards import Place, read_places
from holdfast.data.splits import Earlier, find_twins
from holdfast.data.version import COLUMNS, META

Fact = int | float | str


@dataclass(frozen=True)
class Found:
    """A row whose bytes are good."""

    row: Row
    digest: str
    facts: Mapping[str, Fact]

    @property
    def group(self) -> str:
        """Where the source knows no group, exact copies are one."""
        return self.row.group or self.digest


def samples_table(
    found: Sequence[Found], splits: Sequence[str], places: Mapping[str, Place]
) -> pyarrow.Table:
    """One row a sample. Types do not depend on the values, so that equal content gives equal tables."""
    digests = [item.digest for item in found]
    at = [places[digest] for digest in digests]
    text, whole = pyarrow.string(), pyarrow.int64()
    columns = {
        "digest": pyarrow.array(digests, text),
        "name": pyarrow.array([storable(item.row.name) for item in found], text),
        "labels": pyarrow.array([list(item.row.labels) for item in found], pyarrow.list_(text)),
        "group": pyarrow.array([item.group for item in found], text),
        "split": pyarrow.array(splits, text),
        "twin": pyarrow.array(find_twins(digests, splits), pyarrow.bool_()),
        "shard": pyarrow.array([place.shard for place in at], text),
        "offset": pyarrow.array([place.offset for place in at], whole),
        "length": pyarrow.array([place.length for place in at], whole),
    }
    for fact in sorted({key for item in found for key in item.facts} - set(COLUMNS)):
        columns[fact] = _fact_column([item.facts.get(fact) for item in found])
    for column in dict.fromkeys(key for item in found for key in item.row.meta):
        values = [storable(item.row.meta.get(column, "")) for item in found]
        columns[META + storable(column)] = pyarrow.array(values, text)
    return pyarrow.table(columns)


def quarantine_table(quarantined: Sequence[Quarantined]) -> pyarrow.Table:
    """One row a sample that was left out."""
    columns = ("name", "digest", "reason")
    values = {column: [storable(getattr(item, column)) for item in quarantined] for column in columns}
    return pyarrow.table({column: pyarrow.array(values[column], pyarrow.string()) for column in columns})


def earlier_splits(tables: Iterable[pyarrow.Table]) -> Earlier:
    """The splits that samples and groups have; where versions differ, the later one counts."""
    digests: dict[str, str] = {}
    groups: dict[str, str] = {}
    for table in tables:
        split = table.column("split").to_pylist()
        digests.update(zip(table.column("digest").to_pylist(), split, strict=True))
        groups.update(zip(table.column("group").to_pylist(), split, strict=True))
    return Earlier(digests, groups)


def earlier_places(tables: Iterable[pyarrow.Table]) -> Iterator[tuple[str, Place]]:
    """Each digest with each place that earlier versions name for it."""
    for table in tables:
        rows = (table.column(name).to_pylist() for name in ("digest", "shard", "offset", "length"))
        for digest, shard, offset, length in zip(*rows, strict=True):
            yield digest, Place(shard, offset, length)


def known_places(
    tables: Iterable[pyarrow.Table], shards: Path, *, damaged: Collection[str] = ()
) -> dict[str, Place]:
    """Where bytes lie already: in the shards of earlier versions, and in whole shards of killed runs."""
    known: dict[str, Place] = {}
    named = set()
    for digest, place in earlier_places(tables):
        named.add(place.shard)
        if place.shard not in damaged:
            known.setdefault(digest, place)
    for path in sorted(shards.glob("*.tar")):
        if path.stem not in named:
            for digest, place in read_places(path).items():
                known.setdefault(digest, place)
    return known


def _fact_column(values: Sequence[Fact | None]) -> pyarrow.Array:
    kinds = {type(value) for value in values if value is not None}
    if str in kinds:
        return pyarrow.array([None if v is None else str(v) for v in values], pyarrow.string())
    return pyarrow.array(values, pyarrow.float64() if float in kinds else pyarrow.int64())
