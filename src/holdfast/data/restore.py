"""Puts lost or damaged shards back, byte for byte, from a source that has their samples."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow

from holdfast.core.files import digest_bytes
from holdfast.data.records import earlier_places
from holdfast.data.shards import Payload, Place, is_whole, plain_suffix, rewrite_shard

Read = Callable[[], bytes]


def damaged_shards(tables: Collection[pyarrow.Table], shards: Path, wanted: Collection[str]) -> set[str]:
    """Which shards that hold one of these digests are missing, or are not what their names say."""
    named = {place.shard for digest, place in earlier_places(tables) if digest in wanted}
    return {name for name in named if not is_whole(shards / f"{name}.tar")}


def restore_shard(
    name: str, tables: Collection[pyarrow.Table], shards: Path, source: Mapping[str, tuple[str, Read]]
) -> bool:
    """Write a damaged shard again, from the source and from what is still good in it; False if that fails.

    Args:
        name: of the shard.
        tables: the samples of all versions; they say what lay where.
        shards: the folder of shards.
        source: the suffix of each digest's member in a shard, and how to read its bytes.
    """
    members = {digest: place for digest, place in earlier_places(tables) if place.shard == name}
    ordered = sorted(members, key=lambda digest: members[digest].offset)
    remains = {digest: data for digest in ordered if digest not in source
               if (data := _salvaged(shards, digest, members[digest])) is not None}  # fmt: skip
    if len(remains) + sum(digest in source for digest in ordered) < len(ordered):
        return False
    then = _earlier_suffixes(name, tables)
    now = then | {digest: suffix for digest, (suffix, _) in source.items()}

    def payload(digest: str, suffix: str) -> Payload:
        read = source[digest][1] if digest in source else lambda: remains[digest]
        return Payload(digest, suffix, read)

    return any(
        rewrite_shard(shards, name, [payload(digest, suffixes[digest]) for digest in ordered])
        for suffixes in (now, then)
    )


def _salvaged(shards: Path, digest: str, place: Place) -> bytes | None:
    with suppress(OSError), (shards / f"{place.shard}.tar").open("rb") as file:
        file.seek(place.offset)
        data = file.read(place.length)
        return data if digest_bytes(data) == digest else None  # no use to write the rest then
    return None


def _earlier_suffixes(name: str, tables: Collection[pyarrow.Table]) -> dict[str, str]:
    """The suffixes of a shard's members, as the names of its samples tell."""
    suffixes: dict[str, str] = {}
    for table in tables:
        columns = (table.column(column).to_pylist() for column in ("digest", "name", "shard"))
        rows = [(digest, file) for digest, file, shard in zip(*columns, strict=True) if shard == name]
        for digest, suffix in sorted((digest, plain_suffix(file)) for digest, file in rows):
            suffixes.setdefault(digest, suffix)  # of copies, the first suffix was taken
    return suffixes
