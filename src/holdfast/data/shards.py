"""Samples' bytes in plain tar files that never change, each named by its own digest."""

import hashlib
import os
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.ahead import ahead
from holdfast.core.files import ASIDE, digest_file, sync_folder

TARGET_BYTES = 128 * 2**20
"""A shard is closed when it has grown to this."""
_BLOCK = tarfile.BLOCKSIZE
END_BYTES = 2 * _BLOCK
"""Of zeros, which end a tar."""
_BATCH = 128
_BATCH_BYTES = 4 * 2**20
_THREADS = 3
_PLAIN_SUFFIX = r"[^/](?P<suffix>\.[a-z0-9]{1,8})$"


@dataclass(frozen=True)
class Members:
    """Bytes to be stored, in columns, sorted by digest; read only when their turn comes.

    Attributes:
        digests: in hexadecimal.
        suffixes: of the members' names, with their dots, such as `.jpg`; may be empty.
        lengths: bytes, int64.
        read: gives the bytes of some side by side, by their places here. Called from several threads.
    """

    digests: pyarrow.Array
    suffixes: pyarrow.Array
    lengths: np.ndarray
    read: Callable[[range], Sequence[bytes]]


@dataclass(frozen=True)
class Places:
    """Where members lie, in columns.

    Attributes:
        shards: names.
        shard: which of them each member is in, int32.
        offsets: from which byte on, int64.
    """

    shards: list[str]
    shard: np.ndarray
    offsets: np.ndarray


def plain_suffixes(names: pyarrow.Array) -> pyarrow.Array:
    """The suffixes that files' bytes have in a shard, in lower case; empty where they are strange ones.

    >>> plain_suffixes(pyarrow.array(["cats/1.JPG", "t.csv row 3"])).to_pylist()
    ['.jpg', '']
    """
    found = pc.extract_regex(pc.utf8_lower(names), _PLAIN_SUFFIX)
    return pc.fill_null(pc.struct_field(found, "suffix"), "")


def write_shards(folder: Path, members: Members, *, target_bytes: int = TARGET_BYTES) -> Places:
    """Write members into shards, and say where each lies.

    A shard appears under its name when it is whole and on disk. Any tar program reads it; its members are
    called by the samples' digests, as WebDataset wants them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = _BLOCK + members.lengths + -members.lengths % _BLOCK
    ends = np.cumsum(sizes)
    offsets, shard = np.zeros(len(sizes), np.int64), np.zeros(len(sizes), np.int32)
    waiting: list[Future[str]] = []
    start = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        while start < len(sizes):
            first = ends[start] - sizes[start]
            stop = min(int(np.searchsorted(ends - first, target_bytes)) + 1, len(sizes))
            offsets[start:stop] = ends[start:stop] - sizes[start:stop] - first + _BLOCK
            shard[start:stop] = len(waiting)
            waiting.append(_write_shard(folder, members, range(start, stop), pool))
            start = stop
        return Places([future.result() for future in waiting], shard, offsets)


def _write_shard(folder: Path, members: Members, places: range, pool: Executor) -> "Future[str]":
    """Write one shard; its name comes when it is on disk, while the next one is being written."""
    aside = folder / f"{ASIDE}{uuid.uuid4().hex}.tar"
    batches = _batches(members.lengths, places)
    digest = hashlib.sha256()
    file = aside.open("wb", buffering=0)
    try:
        hashed: Future[None] | None = None
        for block in ahead(pool, lambda batch: _block(members, batch), batches, most=_THREADS):
            if hashed:
                hashed.result()  # blocks come one after the other
            hashed = pool.submit(digest.update, block)
            _write_all(file, block)
        if hashed:
            hashed.result()
        end = bytes(END_BYTES)
        _write_all(file, end)
        digest.update(end)
    except BaseException:
        file.close()
        aside.unlink(missing_ok=True)
        raise

    def publish() -> str:
        try:
            os.fsync(file.fileno())
            file.close()
            aside.replace(folder / f"{digest.hexdigest()}.tar")
            sync_folder(folder)
        finally:
            file.close()
            aside.unlink(missing_ok=True)
        return digest.hexdigest()

    return pool.submit(publish)


def _batches(lengths: np.ndarray, places: range) -> Iterator[range]:
    """Runs of members, each of no more bytes than can well be held several times, or of one member."""
    start, held = places.start, 0
    for place in places:
        held += int(lengths[place])
        if place > start and (held > _BATCH_BYTES or place - start == _BATCH):
            yield range(start, place)
            start, held = place, int(lengths[place])
    yield range(start, places.stop)


def _block(members: Members, places: range) -> bytes:
    """Headers and bytes of some members, as they lie in a tar."""
    part = slice(places.start, places.stop)
    names = pc.binary_join_element_wise(members.digests[part], members.suffixes[part], "").to_pylist()
    heads = headers(names, members.lengths[part])
    parts: list[bytes] = []
    for head, data in zip(heads, members.read(places), strict=True):
        parts += (head, data, bytes(padding(len(data))))
    return b"".join(parts)


def headers(names: Sequence[str], lengths: np.ndarray) -> list[bytes]:
    """The tar headers of files, as `tarfile` writes them in the USTAR format, but a hundred at once.

    Args:
        names: in ASCII, at most 100 characters.
        lengths: bytes, below 8 GiB.
    """
    made = np.tile(_TEMPLATE, (len(names), 1))
    made[:, :100] = np.array(names, "S100").view(np.uint8).reshape(-1, 100)
    made[:, 124:135] = (
        np.array([b"%011o" % length for length in lengths.tolist()], "S11").view(np.uint8).reshape(-1, 11)
    )
    sums = made.sum(axis=1, dtype=np.int64).tolist()
    made[:, 148:156] = np.array([b"%06o\0 " % total for total in sums], "S8").view(np.uint8).reshape(-1, 8)
    return [row.tobytes() for row in made]


def _template() -> np.ndarray:
    """A header without name and size, and with blanks for its sum, as the sum is taken."""
    made = np.frombuffer(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT), np.uint8).copy()
    made[148:156] = ord(" ")
    made[124:135] = 0
    return made


_TEMPLATE = _template()


def is_whole(shard: Path) -> bool:
    """Whether a shard is there, and is what its name says."""
    try:
        return digest_file(shard) == shard.stem
    except OSError:
        return False


def rewrite_shard(folder: Path, name: str, members: Members) -> bool:
    """Put a lost or damaged shard back under its name, from members in the order in which they lay.

    False, with nothing changed, if these do not give the very bytes that the shard had.
    """
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=folder) as inner:
        aside = Path(inner)
        written = write_shards(aside, members, target_bytes=2**62)
        if written.shards != [name]:
            return False
        (aside / f"{name}.tar").replace(folder / f"{name}.tar")
        sync_folder(folder)
        return True


def read_places(shard: Path | None) -> pyarrow.Table:
    """Where the samples of a shard lie, as its headers say: digest, shard, offset, length. None has none."""
    found: list[tuple[str, str, int, int]] = []
    if shard is not None:
        with tarfile.open(shard, mode="r:") as archive:
            found = [(m.name.partition(".")[0], shard.stem, m.offset_data, m.size) for m in archive]
    columns = list(zip(*found, strict=True)) or [()] * 4
    kinds = {"digest": "string", "shard": "string", "offset": "int64", "length": "int64"}
    arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, kinds.values(), strict=True)]
    table = pyarrow.table(dict(zip(kinds, arrays, strict=True)))
    return table.set_column(1, "shard", table.column("shard").dictionary_encode())


def padding(length: int) -> int:
    """Bytes that fill up the last block of a member."""
    return -length % _BLOCK


def _write_all(file: IO[bytes], data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
