"""Gives the samples of a version back as files, byte for byte, under the names that they had."""

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.core.files import ASIDE, clear_aside, digest_file, put_in_place
from holdfast.core.locks import locked
from holdfast.core.progress import progress
from holdfast.data.listing import list_folder
from holdfast.data.parquets import read_parquet
from holdfast.data.plan import some
from holdfast.data.reader import read_through
from holdfast.data.sheet import SHEET, are_files, write_sheet
from holdfast.data.version import Version

OWN = ".holdfast"
"""In a folder that was checked out: remembers what was written there. `data add` does not read it."""
_RECORD = "checkout.parquet"
_KINDS = {"name": "string", "digest": "string", "size": "int64", "changed": "int64"}
_LEADS_OUT = r"^$|^/|(^|/)\.\.?(/|$)|//|/$|\x00" + (r"|[\\:]" if os.name == "nt" else "")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class CheckedOut:
    """What a checkout did.

    Attributes:
        written: files.
        kept: files that were right already.
        removed: files of another version that was checked out there before.
        left: files of that version which somebody has changed since; they stay.
        texts: samples that are rows of the table and not files.
    """

    ref: str
    folder: str
    written: int
    kept: int
    removed: int
    left: tuple[str, ...]
    texts: int
    table: str = SHEET


def checkout(version: Version, folder: Path, *, force: bool = False) -> CheckedOut:
    """Make a folder hold the files of a version, and a table of their labels, groups and splits beside.

    Files that are right already are not written again: those that have the size and the time that they had
    when they were written here, and others after a look at their bytes. Files that were written here for
    another version, and not changed since, are replaced or removed. When this is killed, run it again.

    Args:
        version: open for reading.
        folder: made if it is not there.
        force: overwrite other files too.

    Raises:
        DataError: if a name leads out of the folder, other files are in the way, or the version is damaged.
    """
    version.refuse_altered()
    chosen = np.flatnonzero(are_files(version))
    names = version.table.column("name").take(pyarrow.array(chosen)).combine_chunks()
    digests = version.table.column("digest").take(pyarrow.array(chosen)).combine_chunks()
    refuse_names(names, digests, _title(version))
    own = folder / OWN
    with locked(own / ".lock", what=str(folder)):
        clear_aside(own)
        lengths = version.table.column("length").to_numpy()[chosen]
        work = _Work(
            version, folder, chosen, pyarrow.table({"name": names, "digest": digests, "size": lengths})
        )
        return work.run(force=force)


def refuse_names(names: pyarrow.Array, digests: pyarrow.Array, title: str) -> None:
    """Raise DataError if a name leads out of the folder that it is in, or two samples have the same one."""
    bad = names.filter(pc.match_substring_regex(names, _LEADS_OUT)).to_pylist()
    bad += names.filter(pc.or_(pc.starts_with(names, f"{OWN}/"), pc.equal(names, SHEET))).to_pylist()
    if bad:
        raise DataError(
            f"{title}: {len(bad):,} names are no places within a folder: {some(bad)}",
            hint="export it to a .parquet file, which can hold any name",
        )
    first = pc.index_in(names, names).to_numpy()
    twice = names.filter(pc.not_equal(digests, digests.take(pyarrow.array(first)))).to_pylist()
    if twice:
        raise DataError(
            f"{title}: {len(twice):,} names belong to several samples: {some(twice)}",
            hint="export it to a .parquet file, which can hold them all",
        )


class _Work:
    """One checkout, under the lock of its folder."""

    def __init__(self, version: Version, folder: Path, rows: np.ndarray, wanted: pyarrow.Table) -> None:
        self.version, self.folder, self.rows, self.wanted = version, folder, rows, wanted
        self.own = folder / OWN
        self.names = wanted.column("name").combine_chunks()
        self.there = list_folder(folder, skip=lambda name: name == OWN)
        self.record = _read_record(self.own / _RECORD)
        self.size, self.changed = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)

    def run(self, *, force: bool) -> CheckedOut:
        right, in_the_way = self._compare()
        sheet = self.own / f"{ASIDE}{SHEET}"
        write_sheet(self.version, sheet)
        if not self._may_replace_sheet(sheet):
            in_the_way = [*in_the_way, SHEET]
        if in_the_way and not force:
            raise DataError(
                f"{len(in_the_way):,} other files are in the way in {self.folder}: {some(in_the_way)}",
                hint="give another folder, or overwrite them with --force",
            )
        self._write(np.flatnonzero(~right))
        removed, left = self._remove_others()
        self._put_sheet(sheet)
        self._remember()
        written = int((~right).sum())
        texts = len(self.version) - len(self.rows)
        return CheckedOut(
            _title(self.version), str(self.folder), written, int(right.sum()), removed, tuple(left), texts
        )

    def _compare(self) -> tuple[np.ndarray, list[str]]:
        """Which files are right already, and the names of those that are there and nobody's to overwrite."""
        at = _index(self.names, self.there.names)
        exists = at >= 0
        self.size[exists], self.changed[exists] = self.there.size[at[exists]], self.there.changed[at[exists]]
        recorded = _index(self.names, self.record.column("name").combine_chunks())
        ours = exists & (recorded >= 0)
        ours[ours] = self._untouched(at[ours], recorded[ours])
        digest = self.record.column("digest").combine_chunks().take(pyarrow.array(recorded[ours]))
        right = np.zeros(len(self.names), bool)
        right[ours] = pc.equal(
            digest, self.wanted.column("digest").combine_chunks().filter(pyarrow.array(ours))
        )
        in_the_way = []
        for place in np.flatnonzero(exists & ~ours).tolist():
            right[place] = self._is_same(place)
            if not right[place]:
                in_the_way.append(self.names[place].as_py())
        folders = pyarrow.array(self.there.folders, pyarrow.string())
        in_the_way += self.names.filter(pc.is_in(self.names, folders)).to_pylist()
        return right, in_the_way

    def _untouched(self, at: np.ndarray, recorded: np.ndarray) -> np.ndarray:
        """Whether files have the size and time that they had when they were written here."""
        size, changed = (self.record.column(name).to_numpy()[recorded] for name in ("size", "changed"))
        return np.asarray((self.there.size[at] == size) & (self.there.changed[at] == changed))

    def _is_same(self, place: int) -> bool:
        if self.size[place] != self.wanted.column("size")[place].as_py():
            return False
        path = self.folder / self.names[place].as_py()
        return path.is_file() and digest_file(path) == str(self.wanted.column("digest")[place])

    def _write(self, places: np.ndarray) -> None:
        """Write files, of each name one.

        Where the first part of a name is not there yet, the whole of it is made aside, under the names that
        it will have, and then moved: in an empty folder that is one rename for each entry at the top instead
        of one for each file. Files are not flushed to disk one by one: the record comes last, and what a
        crash of the machine lost has another size than the record says.
        """
        places = places[_index(self.names, self.names)[places] == places]
        fresh, tops = self._not_there()
        aside = self.own / f"{ASIDE}files"
        self._make_folders(_parents(self.names.filter(pc.invert(fresh))))
        is_fresh = np.asarray(fresh.to_numpy(zero_copy_only=False), bool)
        try:
            _make_all(aside, _parents(self.names.filter(fresh)))
            with progress("writing", len(places), unit="files") as bar:
                for part in read_through(self.version, self.rows[places]):
                    chosen = places[[place for place, _ in part]]
                    self._write_some(chosen, [data for _, data in part], is_fresh[chosen], str(aside))
                    bar.advance(len(part))
        except BaseException:
            _drop_all_empty(aside)
            raise
        finally:  # also when the disk is full: what is whole need not be written again
            self._move(aside, tops)

    def _not_there(self) -> tuple[pyarrow.Array, list[str]]:
        """Which files lie under an entry of the folder that is still to be made, and these entries."""
        tops = pc.replace_substring_regex(self.names, r"/.*$", "")
        missing = [top for top in pc.unique(tops).to_pylist() if not os.path.lexists(self.folder / top)]
        return pc.is_in(tops, pyarrow.array(missing, pyarrow.string())), missing

    def _make_folders(self, folders: Sequence[str]) -> None:
        top = os.path.realpath(self.folder)
        for parent in folders:
            place = self.folder / parent
            if os.path.commonpath([top, os.path.realpath(place)]) != top:
                raise DataError(
                    f"{place} is a link that leads out of {self.folder}",
                    hint="remove it, or give another folder",
                )
            try:
                place.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise DataError(f"{place} is a file, but must be a folder", hint="move it away") from error

    def _write_some(
        self, places: np.ndarray, samples: Sequence[memoryview], is_fresh: np.ndarray, aside: str
    ) -> None:
        names = self.names.take(pyarrow.array(places)).to_pylist()
        changed = []
        for name, data, fresh in zip(names, samples, is_fresh.tolist(), strict=True):
            try:
                path = f"{aside}/{name}" if fresh else f"{aside}.one"
                changed.append(_create(path, data))
                if not fresh:
                    os.replace(path, f"{self.folder}/{name}")  # noqa: PTH105
            except OSError as error:
                raise _unwritten(f"{self.folder}/{name}", error) from error
        self.size[places] = [len(data) for data in samples]
        self.changed[places] = changed

    def _move(self, aside: Path, tops: Sequence[str]) -> None:
        for top in tops:
            target = self.folder / top
            try:
                if os.path.lexists(aside / top):
                    (aside / top).rename(target)
            except OSError as error:
                raise _unwritten(str(target), error) from error
        shutil.rmtree(aside, ignore_errors=True)

    def _remove_others(self) -> tuple[int, list[str]]:
        """Remove the files of another version that nobody has changed: how many, and those that stay."""
        names = self.record.column("name").combine_chunks()
        recorded = np.flatnonzero(
            (_index(names, self.names) < 0) & (names.to_numpy(zero_copy_only=False) != SHEET)
        )
        at = _index(names.take(pyarrow.array(recorded)), self.there.names)
        recorded, at = recorded[at >= 0], at[at >= 0]
        ours = self._untouched(at, recorded)
        gone = names.take(pyarrow.array(recorded[ours])).to_pylist()
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
        for parent in sorted({os.path.dirname(name) for name in gone} - {""}, reverse=True):  # noqa: PTH120
            _drop_empty(self.folder, parent)
        return len(gone), names.take(pyarrow.array(recorded[~ours])).to_pylist()

    def _may_replace_sheet(self, fresh: Path) -> bool:
        path = self.folder / SHEET
        if not path.is_file():
            return not path.is_dir()
        recorded = _index(pyarrow.array([SHEET]), self.record.column("name").combine_chunks())
        at = _index(pyarrow.array([SHEET]), self.there.names)
        untouched = bool((recorded >= 0).all()) and bool(self._untouched(at, recorded).all())
        return untouched or _same_files(path, fresh)

    def _put_sheet(self, fresh: Path) -> None:
        put_in_place(fresh, self.folder / SHEET)

    def _remember(self) -> None:
        status = (self.folder / SHEET).stat()
        columns = {
            "name": _with(self.names, SHEET),
            "digest": _with(self.wanted.column("digest").combine_chunks(), digest_file(self.folder / SHEET)),
            "size": np.append(self.size, status.st_size),
            "changed": np.append(self.changed, status.st_mtime_ns),
        }
        aside = self.own / f"{ASIDE}{_RECORD}"
        parquet.write_table(pyarrow.table(columns), aside, compression="zstd")
        put_in_place(aside, self.own / _RECORD)


def _create(path: str, data: memoryview) -> int:
    """Make a file; the time of its last change, in nanoseconds. What is not whole does not stay."""
    handle = os.open(path, _NEW, 0o666)
    try:
        while data:
            data = data[os.write(handle, data) :]
        return os.fstat(handle).st_mtime_ns
    except BaseException:
        Path(path).unlink()
        raise
    finally:
        os.close(handle)


def _parents(names: pyarrow.Array) -> list[str]:
    """The folders that names lie in."""
    return list(pc.unique(pc.replace_substring_regex(names, r"(^|/)[^/]*$", "")).to_pylist())


def _make_all(top: Path, folders: Sequence[str]) -> None:
    for folder in folders:
        try:
            (top / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritten(str(top / folder), error) from error


def _drop_all_empty(top: Path) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):  # it is not empty
            Path(folder).rmdir()


def _unwritten(path: str, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written: {error.strerror}",
        hint="make room, or check who may write there; then run it again, and it goes on",
    )


def _read_record(path: Path) -> pyarrow.Table:
    """What was written before; nothing where that cannot be read: then bytes are compared."""
    try:
        table = read_parquet(path, columns=list(_KINDS))
    except (pyarrow.ArrowException, OSError) as error:
        if not isinstance(error, FileNotFoundError):
            print(f"{path} is damaged, so files are compared byte by byte: {error}", file=sys.stderr)
        table = pyarrow.table({name: pyarrow.array([], kind) for name, kind in _KINDS.items()})
    return table


def _index(values: pyarrow.Array, known: pyarrow.Array) -> np.ndarray:
    """The place of each value among those known, or -1."""
    return np.asarray(pc.fill_null(pc.index_in(values, known), -1).to_numpy())


def _with(column: pyarrow.Array, word: str) -> pyarrow.Array:
    return pyarrow.concat_arrays([column, pyarrow.array([word], column.type)])


def _drop_empty(top: Path, folder: str) -> None:
    parts: Sequence[str] = folder.split("/")
    for end in range(len(parts), 0, -1):
        try:
            top.joinpath(*parts[:end]).rmdir()
        except OSError:
            return


def _same_files(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and digest_file(one) == digest_file(other)


def _title(version: Version) -> str:
    return f"{version.info.name}@{version.info.version}"
