"""Copies a version to a remote: what is missing there, and the version itself last."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow

from holdfast.core.errors import DataError, RefError
from holdfast.core.files import ASIDE, clear_aside, room_told
from holdfast.core.locks import locked
from holdfast.core.progress import progress
from holdfast.core.refs import Ref
from holdfast.data.fingerprints import refuse_altered
from holdfast.data.info import (
    QUARANTINE,
    SAMPLES,
    VersionInfo,
    find_version,
    parse_info,
    read_info,
    restore_command,
    version_folder,
    without_command,
)
from holdfast.data.lazy import LAZY
from holdfast.data.parquets import read_parquet
from holdfast.data.remote import LAST, Folder, Remote, open_remote
from holdfast.data.remote_faults import STAYS

AT_ONCE = 4
"""Shards that are copied at the same time."""
_PLACE = ("shard", "offset", "length")


@dataclass(frozen=True)
class Copied:
    """What a push or a pull did."""

    ref: str
    remote: str
    fingerprint: str
    new: bool
    """Whether the version was not there before."""
    shards: int
    """That the version needs."""
    copied: int
    """Shards that were missing and are there now."""
    copied_bytes: int


def push(root: Path, ref: Ref, where: str | Path) -> Copied:
    """Copy a version to a folder, `s3://bucket/prefix` or `gs://bucket/prefix`, laid out as it is here.

    Shards that are there are not sent again, so a push that was killed goes on where it was. The version can
    be seen there only when all its bytes are there.

    Raises:
        RefError: if there is no such version here.
        DataError: if a shard here is missing or damaged, if the remote has another version under this number,
            or if it cannot be written; the hint says what to do.
    """
    number = find_version(root, ref)
    info, folder = read_info(root, ref.name, number), version_folder(root, ref.name, number)
    remote = open_remote(where)
    if isinstance(remote, Folder) and remote.folder.resolve() == root.resolve():
        raise DataError(f"{remote.uri} is this workspace's own store", hint="give another folder")
    if isinstance(remote, Folder):
        _refuse_foreign(remote.folder, ref.name)
    with _held(remote, ref.name), room_told(remote.uri, hint=STAYS):
        there = version_there(remote, ref.name, number)
        if there is not None and not same_content(folder, info, remote, there):
            raise _taken(info, remote, there.fingerprint)
        names = _own_shards(folder, info)
        if there is not None:  # its own shards may be others than ours, with the same samples
            names = shard_names(read_parquet(BytesIO(_manifest(remote, there)), columns=["shard"]))
        copied, sent = _send(root / ref.name, names, remote, required=there is None)
        if there is None:
            _publish(folder, info, remote)
    return Copied(
        f"{info.name}@{number}", remote.uri, info.fingerprint, there is None, len(names), copied, sent
    )


def version_there(remote: Remote, name: str, number: int) -> VersionInfo | None:
    """What a version on a remote holds; None if it is not there."""
    path = f"{name}/versions/{number}/{LAST}"
    try:
        return parse_info(remote.read(path), f"{remote.uri}/{path}")
    except FileNotFoundError:
        return None


def numbers_there(remote: Remote, name: str) -> list[int]:
    """Numbers of a dataset's versions on a remote, ascending.

    Raises:
        RefError: if it has none.
    """
    paths = (path.split("/") for path in remote.sizes(f"{name}/versions"))
    numbers = sorted(int(path[0]) for path in paths if path[1:] == [LAST] and path[0].isdecimal())
    if not numbers:
        raise RefError(
            f"there is no dataset {name!r} at {remote.uri}",
            hint=f"check the address; `holdfast data push {name} {remote.uri}` puts one there",
        )
    return numbers


def same_content(folder: Path, info: VersionInfo, remote: Remote, there: VersionInfo) -> bool:
    """Whether a version here and one there hold the same, whatever the shards that hold its bytes."""
    if any(
        getattr(info, part) != getattr(there, part) for part in ("fingerprint", "labels", "task", "modality")
    ):
        return False
    ours, theirs = read_parquet(folder / SAMPLES), read_parquet(BytesIO(_manifest(remote, there)))
    if not _without_places(ours).equals(_without_places(theirs)):
        return False
    path = f"{there.name}/versions/{there.version}/{QUARANTINE}"
    return bool(read_parquet(folder / QUARANTINE).equals(read_parquet(BytesIO(remote.read(path)))))


def shard_names(table: pyarrow.Table) -> list[str]:
    """The shards that a version needs, sorted."""
    return sorted(table.column("shard").unique().to_pylist())


def in_parallel(work: Callable[[str], int], names: Iterable[str], *, title: str) -> tuple[int, int]:
    """Do some work for each shard, several at once: how many, and the bytes. The first fault ends it."""
    names = list(names)
    done = 0
    with ThreadPoolExecutor(AT_ONCE) as pool, progress(title, len(names), unit="shards") as bar:

        def one(name: str) -> int:
            size = work(name)
            bar.advance()
            return size

        futures = [pool.submit(one, name) for name in names]
        finished, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        done = sum(future.result() for future in finished)
    return len(names), done


def _own_shards(folder: Path, info: VersionInfo) -> list[str]:
    """The shards of a version here, whose rows give its fingerprint: no pull takes another."""
    try:
        table = read_parquet(folder / SAMPLES, columns=["digest", "labels", "group", "split", "shard"])
        refuse_altered(table, info, folder)
        return shard_names(table)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{folder / SAMPLES} is damaged: {error}", hint=without_command(info.name, info.version)
        ) from error


def _send(home: Path, names: list[str], remote: Remote, *, required: bool) -> tuple[int, int]:
    files = {name: home / "shards" / f"{name}.tar" for name in names}
    there = remote.sizes(f"{home.name}/shards")
    missing = [name for name in names if f"{name}.tar" not in there or _other_size(files[name], there)]
    if absent := [name for name in missing if not files[name].is_file()]:
        if not required:
            missing = [name for name in missing if name not in absent]
        else:
            raise DataError(
                f"{len(absent):,} of {len(names):,} shards of {home.name} are not here, such as {absent[0]}",
                hint="a lazy version must be pulled whole before it is pushed elsewhere; "
                f"or restore it: `{restore_command(home.name)}`",
            )

    def send(name: str) -> int:
        remote.put_shard(f"{home.name}/shards/{name}.tar", files[name])
        return files[name].stat().st_size

    return in_parallel(send, missing, title="sending")


def _other_size(file: Path, there: dict[str, int]) -> bool:
    return file.is_file() and there[file.name] != file.stat().st_size


def _publish(folder: Path, info: VersionInfo, remote: Remote) -> None:
    files = {
        path.name: path
        for path in folder.iterdir()
        if path.is_file() and path.name != LAZY and not path.name.startswith(ASIDE)
    }
    try:
        remote.put_version(f"{info.name}/versions/{info.version}", files)
    except FileExistsError as error:
        there = version_there(remote, info.name, info.version)
        if there is None:
            raise _on_its_way(info, remote) from error
        if not same_content(folder, info, remote, there):
            raise _taken(info, remote, there.fingerprint) from error


def _refuse_foreign(folder: Path, name: str) -> None:
    """Raise DataError if a folder, or the one of the dataset in it, holds something else than a store."""
    entries = [path for path in _visible(folder) if path.name != "lost+found"]
    if entries and not any(map(_is_dataset, entries)):
        raise DataError(
            f"{folder} is no store of datasets, and not empty: it holds {entries[0].name!r}",
            hint=f"give a new folder, such as {folder / 'holdfast'}",
        )
    if _visible(folder / name) and not _is_dataset(folder / name):
        raise DataError(
            f"{folder / name} is there, and no dataset that was pushed",
            hint="push to another folder, or move it away",
        )


def _visible(folder: Path) -> list[Path]:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file", hint="name a folder, which need not exist yet")
    return sorted(path for path in folder.glob("[!.]*")) if folder.is_dir() else []


def _is_dataset(folder: Path) -> bool:
    """Whether a dataset lies in a folder, or somebody has begun to push one there."""
    return (folder / ".lock").is_file() or all((folder / name).is_dir() for name in ("shards", "versions"))


def _held(remote: Remote, name: str) -> AbstractContextManager[None]:
    """The lock of a dataset in a folder: whoever adds to it or clears it up there waits until we are done."""
    if not isinstance(remote, Folder):
        return nullcontext()
    return _Held(remote.folder / name, name)


class _Held(AbstractContextManager[None]):
    def __init__(self, home: Path, name: str) -> None:
        self._home, self._lock = home, locked(home / ".lock", what=f"dataset {name} in {home.parent}")

    def __enter__(self) -> None:
        self._lock.__enter__()
        for folder in (self._home / "shards", self._home / "versions"):
            clear_aside(folder)

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(*error)  # type: ignore[arg-type]


def _manifest(remote: Remote, there: VersionInfo) -> bytes:
    return remote.read(f"{there.name}/versions/{there.version}/{SAMPLES}")


def _without_places(table: pyarrow.Table) -> pyarrow.Table:
    return table.drop_columns([name for name in _PLACE if name in table.column_names])


def _taken(info: VersionInfo, remote: Remote, fingerprint: str) -> DataError:
    ref = f"{info.name}@{info.version}"
    ours, theirs = info.fingerprint[:12], fingerprint[:12]
    what = f"fingerprint {theirs} there, {ours} here" if ours != theirs else "other metadata or quarantine"
    return DataError(
        f"{remote.uri} has another {ref} than this workspace: {what}",
        hint=f"a number is given once. Pull theirs into another workspace (`holdfast data pull {info.name} "
        f"{remote.uri} --home FOLDER`) and add your data there as the next version, or push to another place",
    )


def _on_its_way(info: VersionInfo, remote: Remote) -> DataError:
    ref = f"{info.name}@{info.version}"
    return DataError(
        f"{remote.uri}: another {ref} is being pushed there, or its push was killed at the very end",
        hint="wait for it, or run that push again where it began; if it is given up, delete "
        f"{remote.uri}/{info.name}/versions/{info.version}/ there",
    )
