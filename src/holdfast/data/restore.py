"""Puts lost or damaged shards back, byte for byte, from a source that has their samples."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from holdfast.core.files import digest_bytes
from holdfast.data.records import Store
from holdfast.data.shards import Members, plain_suffixes, rewrite_shard

Read = Callable[[], bytes]


def restore_shard(name: str, store: Store, source: Mapping[str, tuple[str, Read]]) -> bool:
    """Write a damaged shard again, from the source and from what is still good in it; False if that fails.

    Args:
        name: of the shard.
        store: says what lay where.
        source: the suffix of each digest's member in a shard, and how to read its bytes.
    """
    members = store.members(name)
    path = store.shards / f"{name}.tar"
    remains = {member["digest"]: data for member in members if member["digest"] not in source
               if (data := _salvaged(path, member)) is not None}  # fmt: skip
    if any(member["digest"] not in source and member["digest"] not in remains for member in members):
        return False
    digests = [member["digest"] for member in members]
    then = {member["digest"]: _earlier_suffix(member["names"]) for member in members}
    now = then | {digest: source[digest][0] for digest in digests if digest in source}

    def read(places: range) -> list[bytes]:
        wanted = digests[places.start : places.stop]
        return [source[digest][1]() if digest in source else remains[digest] for digest in wanted]

    lengths = np.array([member["length"] for member in members], np.int64)
    column = pyarrow.array(digests, pyarrow.string())
    return any(
        rewrite_shard(
            store.shards, name, Members(column, pyarrow.array([suffixes[d] for d in digests]), lengths, read)
        )
        for suffixes in (now, then)
    )


def _salvaged(path: Path, member: Mapping[str, Any]) -> bytes | None:
    with suppress(OSError), path.open("rb") as file:
        file.seek(member["offset"])
        data = file.read(member["length"])
        return data if digest_bytes(data) == member["digest"] else None  # no use to write the rest then
    return None


def _earlier_suffix(names: Sequence[str]) -> str:
    """The suffix of a member, as the names of its samples tell: of copies, the first suffix was taken."""
    suffixes: list[str] = plain_suffixes(pyarrow.array(names, pyarrow.string())).to_pylist()
    return min(suffixes)
