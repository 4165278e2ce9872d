"""Shards are plain tars that other programs read."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.data.shards import Members, headers, read_places, write_shards


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def store(folder: Path, *contents: bytes, target_bytes: int = 2**27) -> dict[str, dict[str, Any]]:
    """Where each content lies, by its digest."""
    ordered = sorted(contents, key=digest_of)
    digests = [digest_of(data) for data in ordered]
    lengths = np.array([len(data) for data in ordered], np.int64)
    suffixes = pyarrow.repeat(".txt", len(ordered))
    members = Members(pyarrow.array(digests), suffixes, lengths, lambda at: [ordered[p] for p in at])
    places = write_shards(folder, members, target_bytes=target_bytes)
    return {
        digest: {
            "digest": digest,
            "shard": places.shards[shard],
            "offset": int(offset),
            "length": int(length),
        }
        for digest, shard, offset, length in zip(digests, places.shard, places.offsets, lengths, strict=True)
    }


def test_tarfile_reads_the_members_at_the_places_that_were_given(tmp_path: Path) -> None:
    contents = [b"", b"a", bytes(512), bytes(513), "ü".encode() * 1000]

    places = store(tmp_path, *contents)

    (path,) = tmp_path.iterdir()
    raw = path.read_bytes()
    with tarfile.open(path, "r:") as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    wanted = {digest_of(data): data for data in contents}
    assert list(members) == [f"{digest}.txt" for digest in sorted(wanted)]
    for digest, data in wanted.items():
        place = places[digest]
        assert members[f"{digest}.txt"] == data == raw[place["offset"] : place["offset"] + place["length"]]


def test_a_shard_is_what_tarfile_itself_would_write_and_is_named_by_its_digest(tmp_path: Path) -> None:
    store(tmp_path, b"one", b"two")

    expected = io.BytesIO()
    with tarfile.open(fileobj=expected, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for data in sorted([b"one", b"two"], key=digest_of):
            info = tarfile.TarInfo(digest_of(data) + ".txt")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (path,) = tmp_path.iterdir()
    raw = path.read_bytes()
    assert path.name == f"{digest_of(raw)}.tar"
    assert expected.getvalue().startswith(raw.rstrip(b"\0"))  # tarfile pads with more zeros at the end


names = st.text("0123456789abcdef.", min_size=1, max_size=73)


@given(st.lists(st.tuples(names, st.integers(0, 2**33 - 1)), min_size=1, max_size=5))
def test_headers_are_those_of_tarfile(found: list[tuple[str, int]]) -> None:
    made = headers([name for name, _ in found], np.array([length for _, length in found]))

    for head, (name, length) in zip(made, found, strict=True):
        info = tarfile.TarInfo(name)
        info.size = length
        assert head == info.tobuf(tarfile.USTAR_FORMAT)


def test_shards_are_closed_at_their_size_and_hold_runs_of_digests(tmp_path: Path) -> None:
    places = store(tmp_path, *(bytes([number]) * 1000 for number in range(20)), target_bytes=4000)

    shards = [places[digest]["shard"] for digest in sorted(places)]
    assert len(set(shards)) == len(list(tmp_path.iterdir())) == 7
    assert shards == [shard for shard in dict.fromkeys(shards) for _ in range(shards.count(shard))]


def test_members_that_cannot_be_read_leave_no_shard_behind(tmp_path: Path) -> None:
    def fail(places: range) -> list[bytes]:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        write_shards(tmp_path, Members(pyarrow.array(["a"]), pyarrow.array([""]), np.array([3]), fail))

    assert list(tmp_path.iterdir()) == []


def test_a_shard_tells_its_places(tmp_path: Path) -> None:
    places = store(tmp_path, b"a", b"b")
    (path,) = tmp_path.iterdir()

    assert read_places(path).to_pylist() == [places[digest] for digest in sorted(places)]
    assert read_places(path).schema == read_places(None).schema
    assert read_places(None) == pyarrow.table(read_places(path))[:0]
