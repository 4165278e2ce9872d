"""Shards are plain tars that other programs read."""

import hashlib
import io
import tarfile
from pathlib import Path

from holdfast.data.shards import Payload, Place, read_places, write_shards


def payloads(*contents: bytes) -> list[Payload]:
    return [Payload(hashlib.sha256(data).hexdigest(), ".txt", lambda data=data: data) for data in contents]  # type: ignore[misc]


def test_tarfile_reads_the_members_at_the_places_that_were_given(tmp_path: Path) -> None:
    contents = [b"", b"a", bytes(512), bytes(513), "ü".encode() * 1000]

    places = write_shards(tmp_path, payloads(*contents))

    (path,) = tmp_path.iterdir()
    raw = path.read_bytes()
    with tarfile.open(path, "r:") as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    wanted = {payload.digest: payload.read() for payload in payloads(*contents)}
    assert list(members) == [f"{digest}.txt" for digest in sorted(wanted)]
    for digest, data in wanted.items():
        place = places[digest]
        assert members[f"{digest}.txt"] == data == raw[place.offset : place.offset + place.length]


def test_a_shard_is_what_tarfile_itself_would_write_and_is_named_by_its_digest(tmp_path: Path) -> None:
    content = payloads(b"one", b"two")

    write_shards(tmp_path, content)

    expected = io.BytesIO()
    with tarfile.open(fileobj=expected, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for payload in sorted(content, key=lambda payload: payload.digest):
            info = tarfile.TarInfo(payload.digest + payload.suffix)
            info.size = len(payload.read())
            archive.addfile(info, io.BytesIO(payload.read()))
    (path,) = tmp_path.iterdir()
    raw = path.read_bytes()
    assert path.name == f"{hashlib.sha256(raw).hexdigest()}.tar"
    assert expected.getvalue().startswith(raw.rstrip(b"\0"))  # tarfile pads with more zeros at the end


def test_shards_are_closed_at_their_size_and_hold_runs_of_digests(tmp_path: Path) -> None:
    content = payloads(*(bytes([number]) * 1000 for number in range(20)))

    places = write_shards(tmp_path, content, target_bytes=4000)

    shards = [places[digest].shard for digest in sorted(places)]
    assert len(set(shards)) == len(list(tmp_path.iterdir())) == 7
    assert shards == [shard for shard in dict.fromkeys(shards) for _ in range(shards.count(shard))]


def test_the_same_bytes_in_any_order_give_the_same_shards(tmp_path: Path) -> None:
    content = payloads(b"a", b"b", b"c")

    assert write_shards(tmp_path / "1", content) == write_shards(tmp_path / "2", content[::-1])


def test_a_shard_tells_its_places_unless_it_is_damaged(tmp_path: Path) -> None:
    places = write_shards(tmp_path, payloads(b"a", b"b"))
    (path,) = tmp_path.iterdir()

    assert read_places(path) == places

    path.write_bytes(path.read_bytes().replace(b"a", b"x"))
    assert read_places(path) == dict[str, Place]()
