"""Samples' bytes in plain tar files that never change, each named by its own digest."""

import hashlib
import os
import re
import tarfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from holdfast.core.files import ASIDE, digest_file, sync_folder

TARGET_BYTES = 128 * 2**20
"""A shard is closed when it has grown to this."""
_BLOCK = tarfile.BLOCKSIZE
_PLAIN_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


@dataclass(frozen=True)
class Place:
    """Where a sample's bytes lie: in which shard, from which byte on, and how many."""

    shard: str
    offset: int
    length: int


@dataclass(frozen=True)
class Payload:
    """Bytes to be stored, read only when their turn comes."""

    digest: str
    suffix: str
    """Of the member's name, with its dot, such as `.jpg`; may be empty."""
    read: Callable[[], bytes]


def plain_suffix(name: str) -> str:
    """The suffix that a file's bytes have in a shard; empty if it is a strange one.

    >>> plain_suffix("cats/1.JPG"), plain_suffix("t.csv row 3")
    ('.jpg', '')
    """
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if _PLAIN_SUFFIX.fullmatch(suffix) else ""


def write_shards(
    folder: Path, payloads: Iterable[Payload], *, target_bytes: int = TARGET_BYTES
) -> dict[str, Place]:
    """Write payloads into shards, sorted by digest, and say where each lies.

    A shard appears under its name when it is whole and on disk. Any tar program reads it; its members are
    called by the samples' digests, as WebDataset wants them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting = sorted(payloads, key=lambda payload: payload.digest)
    places: dict[str, Place] = {}
    start = 0
    while start < len(waiting):
        with _open_shard(folder) as shard:
            while start < len(waiting) and shard.size < target_bytes:
                shard.add(waiting[start])
                start += 1
            shard.finish()
            places.update(shard.publish())
    return places


def is_whole(shard: Path) -> bool:
    """Whether a shard is there, and is what its name says."""
    try:
        return digest_file(shard) == shard.stem
    except OSError:
        return False


def rewrite_shard(folder: Path, name: str, payloads: Iterable[Payload]) -> bool:
    """Put a lost or damaged shard back under its name, from payloads in the order in which they lay.

    False, with nothing changed, if these payloads do not give the very bytes that the shard had.
    """
    with _open_shard(folder) as shard:
        for payload in payloads:
            shard.add(payload)
        if shard.finish() != name:
            return False
        shard.publish()
        return True


def read_places(shard: Path) -> dict[str, Place]:
    """Where the samples of a shard lie; nothing if the shard is not what its name says."""
    if digest_file(shard) != shard.stem:
        return {}
    with tarfile.open(shard, mode="r:") as archive:
        return {
            member.name.partition(".")[0]: Place(shard.stem, member.offset_data, member.size)
            for member in archive
        }


class _Shard:
    def __init__(self, file: IO[bytes], folder: Path, aside: Path) -> None:
        self._file, self._folder, self._aside = file, folder, aside
        self._digest = hashlib.sha256()
        self._members: dict[str, tuple[int, int]] = {}
        self.size = 0

    def add(self, payload: Payload) -> None:
        data = payload.read()
        info = tarfile.TarInfo(payload.digest + payload.suffix)  # no time, no owner: same bytes, same shard
        info.size = len(data)
        self._write(info.tobuf(tarfile.USTAR_FORMAT))
        self._members[payload.digest] = (self.size, len(data))
        self._write(data)
        self._write(b"\0" * (-len(data) % _BLOCK))

    def finish(self) -> str:
        """Flush the whole shard to disk; its name."""
        self._write(b"\0" * (2 * _BLOCK))  # the end of a tar
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._digest.hexdigest()

    def publish(self) -> dict[str, Place]:
        """Give the finished shard its name, in place of what may be there."""
        name = self._digest.hexdigest()
        self._aside.replace(self._folder / f"{name}.tar")
        sync_folder(self._folder)
        return {digest: Place(name, *span) for digest, span in self._members.items()}

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


@contextmanager
def _open_shard(folder: Path) -> Iterator[_Shard]:
    aside = folder / f"{ASIDE}{uuid.uuid4().hex}.tar"
    try:
        with aside.open("wb") as file:
            yield _Shard(file, folder, aside)
    finally:
        aside.unlink(missing_ok=True)
