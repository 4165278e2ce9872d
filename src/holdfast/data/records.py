"""The rows of a version as Parquet holds them, and what earlier versions say."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.core.files import digest_file
from holdfast.data.codes import encoded
from holdfast.data.fingerprints import refuse_altered
from holdfast.data.info import SAMPLES, read_info, version_folder, versions_of, without_command
from holdfast.data.lazy import LAZY
from holdfast.data.look import Seen
from holdfast.data.parquets import read_parquet, whole
from holdfast.data.plan import META, SPLITS, Plan, Quarantined, storable
from holdfast.data.shards import END_BYTES, Places, is_whole, padding, read_places
from holdfast.data.splits import Earlier, find_twins
from holdfast.data.tags import removed_versions
from holdfast.data.units import index_of, ranks, texts
from holdfast.data.version import COLUMNS

_PLACE = ("digest", "shard", "offset", "length")


class Store:
    """What is stored of a dataset already, in columns.

    Args:
        root: the folder of all datasets.
        name: of the dataset, which need not be there.
        verify: compare the rows of each version with its fingerprint, before splits are taken from it.

    Raises:
        DataError: if a version's rows cannot be read or, if verified, are not those that were written.
    """

    def __init__(self, root: Path, name: str, *, verify: bool = False) -> None:
        self.root, self.name = root, name
        self.shards = root / name / "shards"
        self.versions = versions_of(root, name)
        for number in self.versions if verify else ():
            self._refuse_altered(number)
        self._tables = [self._read(number) for number in self.versions]
        self._named = {
            name for table in self._tables for name in pc.unique(table.column("shard")).to_pylist()
        }
        self.elsewhere = self._elsewhere()

    def next_number(self) -> int:
        """The number of the version to come: none that one had before, even if that is removed."""
        return max({*self.versions, *removed_versions(self.root / self.name)}, default=0) + 1

    def splits(self) -> Earlier:
        """The splits that samples and groups have."""
        return earlier_splits(self._tables)

    def damaged(self, wanted: pyarrow.Array, *, verify: bool) -> set[str]:
        """Shards that hold one of these digests and are missing or cut short or, if verified, differ."""
        found: dict[str, int] = {}
        for table in self._tables:
            held = index_of(table.column("digest"), wanted) >= 0
            wanted_here = set(pc.unique(table.column("shard").filter(pyarrow.array(held))).to_pylist())
            codes, names = encoded(table.column("shard"))
            ends = np.zeros(len(names), np.int64)
            np.maximum.at(ends, codes, table["offset"].to_numpy() + table["length"].to_numpy())
            for name, end in zip(names.to_pylist(), ends.tolist(), strict=True):
                if name in wanted_here:
                    found[name] = max(found.get(name, 0), end)
        return {name for name, end in found.items() if not self._is_good(name, end, verify=verify)}

    def _refuse_altered(self, number: int) -> None:
        try:
            info = read_info(self.root, self.name, number)
        except DataError:  # there is no fingerprint to compare with; the rows are read all the same
            return
        table = self._read(number, ["digest", "labels", "group", "split"])
        refuse_altered(table, info, version_folder(self.root, self.name, number))

    def _read(self, number: int, columns: Sequence[str] = (*_PLACE, "group", "split")) -> pyarrow.Table:
        path = version_folder(self.root, self.name, number) / SAMPLES
        try:
            return read_parquet(path, columns=list(columns), read_dictionary=["shard", "split"])
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(
                f"{path} is damaged, so nobody knows the splits that its samples had: {error}",
                hint=without_command(self.name, number),
            ) from error

    def _is_good(self, name: str, end: int, *, verify: bool) -> bool:
        path = self.shards / f"{name}.tar"
        if name in self.elsewhere:
            return True
        if verify:
            return is_whole(path)
        try:
            return path.stat().st_size >= end + padding(end) + END_BYTES
        except OSError:
            return False

    def places(self, *, without: Collection[str]) -> pyarrow.Table:
        """Where bytes lie already, one row a digest: in versions' shards, and in whole shards of killed runs.

        Args:
            without: shards that do not count.
        """
        tables = [table.select(_PLACE) for table in self._tables]
        for path in sorted(self.shards.glob("*.tar")):
            if path.stem not in self._named and digest_file(path) == path.stem:
                tables.append(read_places(path))
        if not tables:
            return read_places(None)
        known = pyarrow.concat_tables(tables).unify_dictionaries()
        if without:
            shards = known.column("shard").cast(pyarrow.string())
            known = known.filter(pc.invert(pc.is_in(shards, pyarrow.array(sorted(without)))))
        return _first_of_each(known, "digest")

    def labels(self, number: int) -> pyarrow.Table:
        """The digest and the labels of each sample of a version."""
        return self._read(number, ["digest", "labels"])

    def forget(self) -> None:
        """Give up what versions say of their samples: of a million they are hundreds of megabytes."""
        self._tables = []

    def has(self, number: int, table: pyarrow.Table) -> bool:
        """Whether a version's samples are these, in all columns."""
        path = version_folder(self.root, self.name, number) / SAMPLES
        with parquet.ParquetFile(path) as file:
            if not file.schema_arrow.equals(table.schema):
                return False
        return all(read_parquet(path, [name]).equals(table.select([name])) for name in table.column_names)

    def drop_unused(self, used: Iterable[str]) -> None:
        """Remove the shards of killed runs, which no version speaks of."""
        named = self._named | set(used)
        for path in self.shards.glob("*.tar"):
            if path.stem not in named:
                path.unlink(missing_ok=True)

    def members(self, shard: str) -> list[dict[str, Any]]:
        """The digest, offset, length and names of what lies in a shard, as it lies there."""
        found: dict[str, dict[str, Any]] = {}
        for number in self.versions:
            path = version_folder(self.root, self.name, number) / SAMPLES
            rows = parquet.read_table(
                path, columns=[*_PLACE, "name"], filters=[("shard", "=", shard)]
            ).to_pylist()
            for row in rows:
                entry = found.setdefault(row["digest"], {**row, "names": []})
                entry["names"].append(row["name"])
        return sorted(found.values(), key=lambda row: row["offset"])

    def _elsewhere(self) -> dict[str, Path]:
        """Shards that are not here but at the remote of the latest lazy version; the file that says so."""
        files = [version_folder(self.root, self.name, number) / LAZY for number in self.versions]
        told = [file.read_bytes() if file.is_file() else b"" for file in files]
        last = max((place for place, text in enumerate(told) if text), default=-1)
        return {
            name: files[last]
            for table, text in zip(self._tables, told, strict=True)
            if text and text == told[last]
            for name in pc.unique(table.column("shard")).to_pylist()
            if not (self.shards / f"{name}.tar").exists()
        }


def earlier_splits(tables: Iterable[pyarrow.Table]) -> Earlier:
    """The splits that samples and groups have; of versions, or rows, that differ the last counts."""
    newest_first = list(tables)[::-1]
    return Earlier(_latest(newest_first, "digest"), _latest(newest_first, "group"))


def samples_table(
    plan: Plan, seen: Seen, splits: np.ndarray, groups: pyarrow.Array, places: pyarrow.Table
) -> pyarrow.Table:
    """One row a sample. Types do not depend on the values, so that equal content gives equal tables.

    Args:
        plan: what the source says.
        seen: what was found out, in the order of the rows to come.
        splits: of each row, indices into SPLITS.
        groups: of each row.
        places: has each digest with its shard, offset and length.
    """
    kept = [name for name in plan.rows.column_names if name in ("name", "labels") or name.startswith(META)]
    rows = plan.rows.select(kept).take(pyarrow.array(seen.rows))
    at = pyarrow.array(index_of(seen.digests, places.column("digest")))
    columns = {
        "digest": seen.digests,
        "name": rows.column("name"),
        "labels": rows.column("labels"),
        "group": groups,
        "split": pyarrow.array(SPLITS, pyarrow.string()).take(pyarrow.array(splits)),
        "twin": pyarrow.array(find_twins(seen.digests, splits)),
    }
    found = _plain(places.select(["shard", "offset", "length"]).take(at))
    columns |= {name: found.column(name) for name in found.column_names}
    columns |= {name: values for name, values in seen.facts.items() if name not in COLUMNS}
    columns |= {name: rows.column(name) for name in rows.column_names if name.startswith(META)}
    return pyarrow.table(columns).combine_chunks()


def count_groups(table: pyarrow.Table) -> int:
    """How many groups there are. Rows are sorted by digest, and who has no group goes by it."""
    digests, groups = (whole(table.column(name)) for name in ("digest", "group"))
    alone = pc.equal(digests, groups)
    named = pc.unique(groups.filter(pc.invert(alone)))
    single = digests.filter(alone) if len(named) else digests
    repeated = pc.sum(pc.equal(single[1:], single[:-1])).as_py() or 0
    shared = pc.sum(pc.is_in(named, single)).as_py() or 0 if len(named) else 0
    return len(single) - repeated + len(named) - shared


def quarantine_table(quarantined: Sequence[Quarantined]) -> pyarrow.Table:
    """One row a sample that was left out."""
    columns = ("name", "digest", "reason")
    values = {column: [storable(getattr(item, column)) for item in quarantined] for column in columns}
    return pyarrow.table({column: pyarrow.array(values[column], pyarrow.string()) for column in columns})


def written_places(digests: pyarrow.Array, lengths: np.ndarray, written: Places) -> pyarrow.Table:
    """The places of members that were just written."""
    names = pyarrow.array(written.shards, pyarrow.string())
    shards = pyarrow.DictionaryArray.from_arrays(pyarrow.array(written.shard), names)
    return pyarrow.table(
        {"digest": digests, "shard": shards, "offset": written.offsets, "length": lengths.astype(np.int64)}
    )


def _latest(newest_first: Sequence[pyarrow.Table], key: str) -> pyarrow.Table:
    """The split of each key: the first table that has it counts, and within it the last row."""
    known = pyarrow.table({name: pyarrow.array([], pyarrow.string()) for name in (key, "split")})
    for rows in newest_first:
        table = _plain(rows.select([key, "split"]))
        if len(known):
            table = table.filter(pc.invert(pc.is_in(table.column(key), whole(known.column(key)))))
        at = ranks(texts(table.column(key)))
        last = np.zeros(int(at.max(initial=-1)) + 1, np.int64)
        last[at] = np.arange(len(at))
        fresh = table if len(last) == len(table) else table.take(pyarrow.array(last))
        known = pyarrow.concat_tables([known, fresh])
    return known


def _first_of_each(table: pyarrow.Table, key: str) -> pyarrow.Table:
    _, first = np.unique(ranks(texts(table.column(key))), return_index=True)
    return table if len(first) == len(table) else table.take(pyarrow.array(np.sort(first)))


def _plain(table: pyarrow.Table) -> pyarrow.Table:
    """Without dictionaries."""
    for index, field in enumerate(table.schema):
        if pyarrow.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pyarrow.string()))
    return table
