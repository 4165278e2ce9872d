"""Frees the bytes that no version refers to, by writing the others of their shards anew."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import parquet

from holdfast.core.errors import DataError, RefError
from holdfast.core.files import ASIDE, clear_aside, digest_bytes, put_in_place, room_told, sync_folder
from holdfast.core.locks import locked
from holdfast.core.progress import progress
from holdfast.data.info import SAMPLES, restore_command, version_folder, versions_of, without_command
from holdfast.data.parquets import read_parquet
from holdfast.data.places import Shards
from holdfast.data.shards import END_BYTES, Members, is_whole, read_places, write_shards
from holdfast.data.tags import changing

_KINDS = {"digest": "string", "shard": "int32", "offset": "int64", "length": "int64"}
_HEAD = tarfile.BLOCKSIZE
"""Bytes before each member of a tar."""


@dataclass(frozen=True)
class Collected:
    """What a collection did.

    Attributes:
        removed: shards that are gone, among them those whose samples were written anew.
        written: shards that are new.
        freed_bytes: by which all shards together are smaller.
        in_use: shards that should be gone but are held open (on Windows); the next collection takes them.
    """

    name: str
    removed: int
    written: int
    freed_bytes: int
    in_use: tuple[str, ...] = ()


def collect(root: Path, name: str) -> Collected:
    """Remove what no version of a dataset refers to, down to single samples.

    First new shards are written, then each version's table is replaced by one that speaks of them, then the
    old shards go. So each version is whole at any moment, whenever this is killed; run it again then.
    Readers that have a shard open keep it, and others look up the new places. Writers wait.

    Raises:
        RefError: if there is no such dataset.
        DataError: if a version or a shard that must be read is damaged; then nothing is removed.
    """
    home = root / name
    if not (home / "shards").is_dir():
        raise RefError(f"there is no dataset {name!r}", hint="`holdfast data list` shows what there is")
    with locked(home / ".lock", what=f"dataset {name}"), room_told(home):
        for folder in (home, home / "shards", home / "versions", *home.glob("versions/[0-9]*")):
            clear_aside(folder)
        before = _sizes(home / "shards")
        collection = _Collection(root, name)
        collection.run()
        in_use = _remove(home / "shards", set(_sizes(home / "shards")) - collection.needed())
        after = _sizes(home / "shards")
        result = Collected(
            name,
            removed=len(set(before) - set(after)),
            written=len(set(after) - set(before)),
            freed_bytes=sum(before.values()) - sum(after.values()),
            in_use=tuple(in_use),
        )
        if result.removed or result.written:
            with changing(home) as log:
                log.append("gc", version=0, fingerprint=None, freed_bytes=result.freed_bytes)
        return result


class _Collection:
    """Gives each digest one place, in as few new shards as that takes."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name, self.home = root, name, root / name
        self.numbers = versions_of(root, name)
        self.shards: list[str] = []
        """Names; columns called `shard` hold places in this list."""

    def run(self) -> None:
        told = self._told()
        held = self._held(told)
        stay = self._staying(held, told)
        known = pyarrow.concat_tables([told.slice(0, 0), *(held[shard] for shard in stay)])
        lying = told.filter(pc.is_in(told.column("shard"), pyarrow.array(sorted(held), pyarrow.int32())))
        homeless = lying.filter(pc.invert(pc.is_in(lying.column("digest"), _digests(known))))
        if len(homeless):
            known = pyarrow.concat_tables([known, self._rewrite(_once(homeless))])
        for number in self.numbers:
            self._replace(number, known)

    def needed(self) -> set[str]:
        """The shards that versions refer to now."""
        columns = (self._read(number).column("shard") for number in self.numbers)
        return {shard for column in columns for shard in pc.unique(column).to_pylist()}

    def _told(self) -> pyarrow.Table:
        """Where digests lie, as the versions say: one row for each digest and shard."""
        found = pyarrow.table({name: pyarrow.array([], kind) for name, kind in _KINDS.items()})
        for number in self.numbers:
            table = self._numbered(self._read(number))
            at = pc.index_in(table.column("digest"), _digests(found))
            same = pc.equal(
                found.column("shard").combine_chunks().take(at.combine_chunks()), table.column("shard")
            )
            fresh = table.filter(pc.invert(pc.fill_null(same, False)))
            found = pyarrow.concat_tables([found, fresh]).combine_chunks()
        return _once(found, "shard")

    def _held(self, told: pyarrow.Table) -> dict[int, pyarrow.Table]:
        """What lies in each shard that is here and can be trusted.

        Others stay as they are: those of a lazy version are elsewhere, and damaged ones may be restored.
        Where a digest lies in several shards, all of them but one may go, so those are read to the end first.
        """
        found = {}
        for shard in pc.unique(told.column("shard")).to_pylist():
            if self._path(shard).is_file():
                found[shard] = self._contents(shard, told.filter(pc.equal(told.column("shard"), shard)))
        every = pyarrow.concat_tables([told.slice(0, 0), *found.values()])
        codes = _digests(every).dictionary_encode().indices.to_numpy()
        several = np.bincount(codes)[codes] > 1 if len(codes) else np.zeros(0, bool)
        suspects = set(np.unique(every.column("shard").to_numpy()[several]).tolist())
        return {
            shard: rows
            for shard, rows in found.items()
            if shard not in suspects or is_whole(self._path(shard))
        }

    def _contents(self, shard: int, told: pyarrow.Table) -> pyarrow.Table:
        """What lies in a shard: as versions say where that fills it, else as its own headers say."""
        lengths = told.column("length").to_numpy()
        size = int((_HEAD + lengths + -lengths % _HEAD).sum()) + END_BYTES
        path = self._path(shard)
        if path.stat().st_size == size:
            return told
        try:
            listed = read_places(path)
        except (tarfile.TarError, OSError) as error:
            raise self._damaged(path) from error
        numbers = pyarrow.array(np.full(len(listed), shard, np.int32))
        return listed.set_column(listed.column_names.index("shard"), "shard", numbers).select(list(_KINDS))

    def _staying(self, held: Mapping[int, pyarrow.Table], told: pyarrow.Table) -> list[int]:
        """The shards in which every byte is needed, and lies in no other shard that stays."""
        live, stay = _digests(told), []
        taken = pyarrow.array([], pyarrow.string())
        for shard in sorted(held, key=lambda shard: self.shards[shard]):
            digests = _digests(held[shard])
            if pc.any(pc.is_in(digests, taken)).as_py() or not pc.all(pc.is_in(digests, live)).as_py():
                continue
            taken = pyarrow.concat_arrays([taken, digests])
            stay.append(shard)
        return stay

    def _rewrite(self, old: pyarrow.Table) -> pyarrow.Table:
        """Write the bytes of these digests into new shards; their places there."""
        old = old.sort_by("digest")
        shard_of, offsets, lengths = (old.column(key).to_numpy() for key in ("shard", "offset", "length"))
        digests = old.column("digest").to_pylist()
        shards = Shards([self._path(shard) for shard in range(len(self.shards))])
        with progress("rewriting", len(digests), unit="samples") as bar:

            def span(place: int, start: int, length: int) -> bytes:
                shard = int(shard_of[place])
                try:
                    return shards.read(shard, start, length)
                except OSError as error:
                    raise self._damaged(self._path(shard)) from error

            def read(places: range) -> list[bytes]:
                bar.advance(len(places))
                return [checked(place) for place in places]

            def checked(place: int) -> bytes:
                data = span(place, int(offsets[place]), int(lengths[place]))
                if digest_bytes(data) != digests[place]:
                    raise self._damaged(self._path(int(shard_of[place])))
                return data

            def suffix(place: int) -> str:
                name = span(place, int(offsets[place]) - _HEAD, 100).rstrip(b"\0")
                return name.decode("ascii", "replace").removeprefix(digests[place])

            try:
                suffixes = [suffix(place) for place in range(len(digests))]
                written = write_shards(self.home / "shards", Members(digests, suffixes, lengths, read))
            finally:
                shards.close()
        first = len(self.shards)
        self.shards += written.shards
        columns = {"digest": old.column("digest"), "shard": pyarrow.array(written.shard + np.int32(first))}
        return pyarrow.table(columns | {"offset": written.offsets, "length": old.column("length")})

    def _replace(self, number: int, known: pyarrow.Table) -> None:
        """Give a version's samples their new places, in one step."""
        path = version_folder(self.root, self.name, number) / SAMPLES
        table = read_parquet(path)
        at = pc.index_in(table.column("digest"), _digests(known)).combine_chunks()
        names = pyarrow.array(self.shards, pyarrow.string())
        moved = {
            "shard": names.take(known.column("shard").combine_chunks()).take(at),
            "offset": known.column("offset").combine_chunks().take(at),
        }
        fresh = table
        for key, column in moved.items():
            place = table.column_names.index(key)
            fresh = fresh.set_column(place, table.schema.field(key), pc.coalesce(column, table.column(key)))
        if not fresh.equals(table):
            aside = path.with_name(f"{ASIDE}{SAMPLES}")
            parquet.write_table(fresh.combine_chunks(), aside, compression="zstd")
            put_in_place(aside, path)

    def _numbered(self, table: pyarrow.Table) -> pyarrow.Table:
        """The table with numbers for shards' names."""
        column = table.column("shard").combine_chunks().dictionary_encode()
        names = column.dictionary.to_pylist()
        self.shards += [name for name in names if name not in self.shards]
        numbers = np.array([self.shards.index(name) for name in names], np.int32)
        shard = pyarrow.array(numbers[column.indices.to_numpy()], pyarrow.int32())
        return table.set_column(table.column_names.index("shard"), "shard", shard)

    def _read(self, number: int) -> pyarrow.Table:
        path = version_folder(self.root, self.name, number) / SAMPLES
        try:
            return read_parquet(path, columns=list(_KINDS))
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(
                f"{path} is damaged, so nobody knows which bytes it needs: {error}",
                hint=without_command(self.name, number),
            ) from error

    def _path(self, shard: int) -> Path:
        return self.home / "shards" / f"{self.shards[shard]}.tar"

    def _damaged(self, path: Path) -> DataError:
        return DataError(
            f"{path} is damaged, and holds samples that versions need; nothing was removed",
            hint=f"run `{restore_command(self.name)}` first to restore it",
        )


def _remove(folder: Path, names: set[str]) -> list[str]:
    """Remove shards; those that cannot go now."""
    in_use = []
    for name in sorted(names):
        try:
            (folder / f"{name}.tar").unlink(missing_ok=True)
        except PermissionError:  # Windows keeps files that are open
            in_use.append(name)
    sync_folder(folder)
    return in_use


def _sizes(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_size for path in folder.glob("[!.]*.tar")}


def _digests(table: pyarrow.Table) -> pyarrow.Array:
    return table.column("digest").combine_chunks()


def _once(table: pyarrow.Table, *also: str) -> pyarrow.Table:
    """One row a digest, or one for each digest and value of another column of numbers."""
    codes = _digests(table).dictionary_encode().indices.to_numpy().astype(np.int64)
    for name in also:
        codes = codes * (1 << 31) + table.column(name).to_numpy()
    first = np.unique(codes, return_index=True)[1]
    return table if len(first) == len(table) else table.take(pyarrow.array(np.sort(first)))
