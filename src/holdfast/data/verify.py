"""Reads every byte of a version, and names each part that is not as it was written, with what mends it."""

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from holdfast.core.ahead import ahead
from holdfast.core.errors import DataError
from holdfast.core.progress import progress
from holdfast.data.fingerprints import fingerprint
from holdfast.data.info import SAMPLES, restore_command, without_command
from holdfast.data.tags import history, tag_problems
from holdfast.data.version import Version

_BLOCK = 8 * 2**20
_THREADS = 2


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was written."""

    kind: str
    """shard, sample, fingerprint, count, log or tag."""
    name: str
    """The file's path, or the sample's name."""
    reason: str


def verify(version: Version) -> list[Fault]:
    """Compare shards with their names, samples with their digests, and the rows with the fingerprint.

    The log of the dataset is compared with its own chain, and tags with the log. Each shard is read once,
    from its beginning to its end; of a lazy version, each sample is fetched.
    """
    info, table = version.info, version.table
    found = []
    if fingerprint(table) != info.fingerprint:
        path = version.folder / SAMPLES
        found.append(Fault("fingerprint", str(path), "its rows do not give the version's fingerprint"))
    if len(table) != info.samples:
        found.append(Fault("count", str(version.folder / SAMPLES), f"{len(table)} rows, not {info.samples}"))
    shards = table.column("shard").combine_chunks().dictionary_encode()
    places = shards.indices.to_numpy()
    home = version.folder.parents[1] / "shards"
    jobs = [
        (home / f"{name}.tar", np.flatnonzero(places == place))
        for place, name in enumerate(shards.dictionary.to_pylist())
    ]
    with ThreadPoolExecutor(_THREADS) as pool, progress("verifying", len(table), unit="samples") as bar:
        for faults, (_, rows) in zip(
            ahead(pool, lambda job: _shard_faults(version, *job), jobs, most=_THREADS), jobs, strict=True
        ):
            bar.advance(len(rows))
            found += faults
    return found + _beside(version.folder.parents[1])


def how_to_mend(version: Version, faults: Sequence[Fault]) -> str | None:
    """What to do about faults, in the order in which it works; None if there are none."""
    kinds, info = {fault.kind for fault in faults}, version.info
    mends = []
    if kinds & {"fingerprint", "count"}:
        mends.append(f"of {SAMPLES}: {without_command(info.name, info.version)}")
    if kinds & {"shard", "sample"}:
        away = version.places.mend_elsewhere()
        mends.append(away or f"restore shards with `{restore_command(info.name)}`")
    if "log" in kinds:
        mends.append(f"of the log: {history(version.folder.parents[1]).mend}")
    if "tag" in kinds:
        mends.append(f"set each tag again, as `holdfast data log {info.name}` has it: "
                     f"`holdfast data tag {info.name}@N TAG --force`")  # fmt: skip
    return "; then ".join(mends) or None


def _beside(home: Path) -> list[Fault]:
    """What is wrong with the files that all versions of a dataset share."""
    log = history(home)
    faults = [Fault("log", str(log.path), problem) for problem in log.problems()]
    return faults + [Fault("tag", str(path), problem) for path, problem in tag_problems(home).items()]


def _shard_faults(version: Version, path: Path, rows: np.ndarray) -> list[Fault]:
    if version.is_elsewhere(path):
        return [fault for row in rows.tolist() for fault in _fetched_faults(version, row)]
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            faults = list(_sample_faults(version, data, rows))
            if _digest(data) != path.stem:
                faults.insert(
                    0, Fault("shard", str(path), "its bytes are not those that its name stands for")
                )
            return faults
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        reason = "it is missing" if isinstance(error, FileNotFoundError) else f"it cannot be read: {error}"
        lost = (Fault("sample", str(version.names[row]), "its shard cannot be read") for row in rows)
        return [Fault("shard", str(path), reason), *lost]


def _sample_faults(version: Version, data: mmap.mmap, rows: np.ndarray) -> Iterator[Fault]:
    offsets, lengths = (version.table.column(key).to_numpy()[rows] for key in ("offset", "length"))
    with memoryview(data) as view:
        for row, start, length in zip(rows.tolist(), offsets.tolist(), lengths.tolist(), strict=True):
            with view[start : start + length] as part:
                if len(part) != length:
                    yield Fault("sample", str(version.names[row]), "its shard ends before it")
                elif hashlib.sha256(part).hexdigest() != version.digests[row]:
                    yield Fault("sample", str(version.names[row]), "these are other bytes than were stored")


def _fetched_faults(version: Version, row: int) -> Iterator[Fault]:
    try:
        version.read(row)
    except DataError as error:
        yield Fault("sample", str(version.names[row]), error.message)


def _digest(data: mmap.mmap) -> str:
    found = hashlib.sha256()
    with memoryview(data) as view:
        for start in range(0, len(view), _BLOCK):
            with view[start : start + _BLOCK] as part:
                found.update(part)
    return found.hexdigest()
