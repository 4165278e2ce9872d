"""Copies a version from a remote into the store here: whole, or its manifest alone."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pyarrow

from holdfast.core.errors import DataError, RefError
from holdfast.core.files import (
    ASIDE,
    clear_aside,
    digest_file,
    folder_aside,
    publish,
    room_told,
    sync_folder,
    write_bytes,
    write_json,
)
from holdfast.core.locks import locked
from holdfast.core.refs import Ref
from holdfast.data.fingerprints import fingerprint
from holdfast.data.info import SAMPLES, VersionInfo, read_info, version_folder, versions_of
from holdfast.data.lazy import LAZY, drop_blocks
from holdfast.data.parquets import read_parquet
from holdfast.data.push import Copied, in_parallel, numbers_there, same_content, shard_names, version_there
from holdfast.data.remote import Remote, open_remote
from holdfast.data.remote_faults import STAYS

_PART_BYTES = 8 * 2**20
_PARTS_AT_ONCE = 4
CACHE_BYTES = 8 * 2**30
"""What the blocks of a lazy version may take on this disk."""


def pull(
    root: Path, ref: Ref, where: str | Path, *, lazy: bool = False, cache_bytes: int = CACHE_BYTES
) -> Copied:
    """Copy a version from a remote; its number and fingerprint stay.

    Only missing shards are copied, each checked against the digest that is its name. The version can be seen
    here only when all its bytes are here. A pull that was killed goes on where it was.

    Args:
        root: the folder of all datasets.
        ref: a dataset, or one version of it; the latest there by default.
        where: a folder, `s3://bucket/prefix` or `gs://bucket/prefix`.
        lazy: copy the manifest only; samples are then read from the remote when they are asked for.
        cache_bytes: what a lazy version may keep of it on this disk.

    Raises:
        RefError: if there is no such version there.
        DataError: if the store here has another version under this number, if what arrives is damaged, or if
            the remote cannot be read; the hint says what to do.
    """
    remote = open_remote(where)
    number = _number(remote, ref)
    there = version_there(remote, ref.name, number)
    if there is None:
        raise RefError(
            f"there is no {ref.name}@{number} at {remote.uri}", hint="check its number and the address"
        )
    home = root / ref.name
    with locked(home / ".lock", what=f"dataset {ref.name}"), room_told(home, hint=STAYS):
        for folder in (home / "shards", home / "versions"):
            clear_aside(folder)
        return _Pull(root, remote, there).run(lazy, cache_bytes)


class _Pull:
    def __init__(self, root: Path, remote: Remote, there: VersionInfo) -> None:
        self.root, self.remote, self.there = root, remote, there
        self.home = root / there.name
        self.folder = version_folder(root, there.name, there.version)

    def run(self, lazy: bool, cache_bytes: int) -> Copied:
        here = self.there.version in versions_of(self.root, self.there.name)
        if here:
            self._refuse_another()
            names = shard_names(read_parquet(self.folder / SAMPLES, columns=["shard"]))
            copied, size = (0, 0) if lazy else self._fetch(names)
            if not lazy:
                (self.folder / LAZY).unlink(missing_ok=True)
                drop_blocks(self.home, names)
            return self._report(False, names, copied, size)
        with folder_aside(self.folder.parent) as aside:
            names = self._manifest(aside)
            if lazy:
                write_json(aside / LAZY, {"remote": self.remote.uri, "cache_bytes": cache_bytes})
            copied, size = (0, 0) if lazy else self._fetch(names)
            publish(aside, self.folder)
        return self._report(True, names, copied, size)

    def _manifest(self, aside: Path) -> list[str]:
        """Copy the files of the version, and see that its fingerprint is right: the shards that it needs."""
        where = f"{self.there.name}/versions/{self.there.version}"
        for name in self.remote.sizes(where):
            if "/" not in name and name != LAZY:
                write_bytes(aside / name, self.remote.read(f"{where}/{name}"))
        try:
            table = read_parquet(aside / SAMPLES)
            whole = fingerprint(table) == self.there.fingerprint
        except (pyarrow.ArrowException, OSError, KeyError):
            whole = False
        if not whole:
            raise DataError(
                f"{self.remote.uri}/{where} is damaged: its manifest is not what its fingerprint says",
                hint="push it there again, from a store that has it whole, after deleting this folder there",
            )
        return shard_names(table)

    def _fetch(self, names: list[str]) -> tuple[int, int]:
        there = self.remote.sizes(f"{self.there.name}/shards")
        missing = [name for name in names if not self._has(name, there)]
        if absent := [name for name in missing if f"{name}.tar" not in there]:
            raise DataError(
                f"{self.remote.uri}: {len(absent):,} of {len(names):,} shards of {self.there.name} are not "
                f"there, such as {absent[0]}",
                hint="push the version there again, from a store that has it whole",
            )
        (self.home / "shards").mkdir(parents=True, exist_ok=True)
        return in_parallel(
            lambda name: self._fetch_shard(name, there[f"{name}.tar"]), missing, title="fetching"
        )

    def _has(self, name: str, there: dict[str, int]) -> bool:
        file = self.home / "shards" / f"{name}.tar"
        size = there.get(file.name)
        return file.is_file() and (size is None or file.stat().st_size == size)

    def _fetch_shard(self, name: str, size: int) -> int:
        folder = self.home / "shards"
        aside = folder / f"{ASIDE}{uuid.uuid4().hex}"
        path = f"{self.there.name}/shards/{name}.tar"
        try:
            with aside.open("wb") as file, ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
                turn = Lock()

                def part(start: int) -> None:
                    data = self.remote.read(path, start, min(_PART_BYTES, size - start))
                    with turn:
                        file.seek(start)
                        file.write(data)

                for _ in pool.map(part, range(0, size, _PART_BYTES)):
                    pass  # raises what a part raised
                file.flush()
                os.fsync(file.fileno())
            if digest_file(aside) != name:
                raise DataError(
                    f"{self.remote.uri}/{path} is damaged: its bytes are not what its name says",
                    hint="delete it there, and push the version again from a store that has it whole",
                )
            aside.replace(folder / f"{name}.tar")
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(folder)
        return size

    def _refuse_another(self) -> None:
        info = read_info(self.root, self.there.name, self.there.version)
        if same_content(self.folder, info, self.remote, self.there):
            return
        ref = f"{info.name}@{info.version}"
        ours, theirs = info.fingerprint[:12], self.there.fingerprint[:12]
        what = (
            f"fingerprint {ours} here, {theirs} there" if ours != theirs else "other metadata or quarantine"
        )
        raise DataError(
            f"this workspace has another {ref} than {self.remote.uri}: {what}",
            hint="a number is given once, and nothing here is replaced; "
            "pull into another workspace: --home FOLDER",
        )

    def _report(self, new: bool, names: list[str], copied: int, size: int) -> Copied:
        ref = f"{self.there.name}@{self.there.version}"
        return Copied(ref, self.remote.uri, self.there.fingerprint, new, len(names), copied, size)


def _number(remote: Remote, ref: Ref) -> int:
    numbers = numbers_there(remote, ref.name)
    if ref.alias is not None:
        raise RefError(f"{ref} names no number", hint=f"write {ref.name} or {ref.name}@{numbers[-1]}")
    if ref.version is not None and ref.version not in numbers:
        there = ", ".join(map(str, numbers))
        raise RefError(f"there is no {ref} at {remote.uri}", hint=f"it has these versions: {there}")
    return ref.version or numbers[-1]
