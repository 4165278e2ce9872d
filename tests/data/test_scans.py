"""A file is read again only if it changed."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.core.refs import parse_ref
from holdfast.data import VersionInfo, ingest, open_version

OLD_S = 1_000_000_000


class Looker:
    """Looks at samples, and remembers which."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, modality: str, data: bytes) -> Mapping[str, int]:
        self.seen.append(data.decode())
        return {"chars": len(data)}

    def take(self) -> list[str]:
        seen, self.seen = sorted(self.seen), []
        return seen


@pytest.fixture
def look() -> Looker:
    return Looker()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for label in "ab":
        for number in range(4):
            write(tmp_path / "in" / label / f"{number}.txt", f"{label}{number}")
    return tmp_path / "in"


def write(path: Path, text: str, *, seconds: float = OLD_S) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (seconds, seconds))


def add(source: Path, look: Looker, *, verify: bool = False) -> VersionInfo:
    return ingest(source, source.parent / "root", "toys", probe=look, verify=verify)


def test_nothing_is_read_again_where_nothing_changed(source: Path, look: Looker) -> None:
    first = add(source, look)
    assert len(look.take()) == 8

    assert add(source, look) == first
    assert look.take() == []


def test_what_has_another_size_time_or_inode_is_read_again(source: Path, look: Looker) -> None:
    add(source, look)
    look.take()

    write(source / "a/0.txt", "longer")
    write(source / "a/1.txt", "a!", seconds=OLD_S + 1)
    write(source / "new", "a?")
    (source / "new").replace(source / "a/2.txt")
    write(source / "b/9.txt", "b9")
    (source / "b/0.txt").unlink()
    second = add(source, look)

    assert look.take() == ["a!", "a?", "b9", "longer"]
    with open_version(source.parent / "root", parse_ref("toys")) as version:
        texts = {str(version.names[i]): version.read(i).decode() for i in range(len(version))}
        chars = dict(zip(version.names, version.facts["chars"], strict=True))
    assert texts == {p.relative_to(source).as_posix(): p.read_text() for p in source.rglob("*.txt")}
    assert chars == {name: len(text) for name, text in texts.items()}
    assert second.fingerprint == add(source, look, verify=True).fingerprint


def test_a_change_that_leaves_no_trace_is_found_by_verifying(source: Path, look: Looker) -> None:
    first = add(source, look)
    inode = (source / "a/0.txt").stat().st_ino
    write(source / "a/0.txt", "A0")
    assert (source / "a/0.txt").stat().st_ino == inode

    assert add(source, look) == first
    assert add(source, look, verify=True).version == 2


def test_a_file_that_was_just_written_is_not_trusted(source: Path, look: Looker) -> None:
    write(source / "a/0.txt", "a0", seconds=time.time())
    add(source, look)
    look.take()

    add(source, look)

    assert look.take() == ["a0"]


def test_the_record_is_written_only_where_it_says_something_new(source: Path, look: Looker) -> None:
    def written() -> int:
        (record,) = (source.parent / "root/toys/scans").glob("*.parquet")
        return record.stat().st_ino

    add(source, look)
    first = written()
    add(source, look)
    assert written() == first

    (source / "a/0.txt").unlink()
    add(source, look)
    fewer = written()
    write(source / "a/0.txt", "another")
    add(source, look)

    assert len({first, fewer, written()}) == 3
    look.take()
    add(source, look)
    assert look.take() == []


@pytest.mark.parametrize("harm", ["cut", "empty", "gone"])
def test_a_lost_record_only_costs_time(source: Path, look: Looker, harm: str) -> None:
    first = add(source, look)
    (record,) = (source.parent / "root/toys/scans").glob("*.parquet")
    look.take()

    if harm == "gone":
        record.unlink()
    else:
        record.write_bytes(b"" if harm == "empty" else record.read_bytes()[:100])

    assert add(source, look) == first
    assert len(look.take()) == 8


def test_what_the_store_lost_is_read_again(source: Path, look: Looker) -> None:
    first = add(source, look)
    look.take()
    for shard in (source.parent / "root/toys/shards").iterdir():
        shard.unlink()

    again = add(source, look)

    assert len(look.take()) == 8
    assert again.fingerprint == first.fingerprint
    with open_version(source.parent / "root", parse_ref("toys")) as version:
        assert all(version.read(i) for i in range(8))


def test_another_source_of_the_same_files_has_a_record_of_its_own(source: Path, look: Looker) -> None:
    first = add(source, look)
    look.take()
    (source.parent / "other").mkdir()
    moved = source.rename(source.parent / "other/in")

    again = ingest(moved, source.parent / "root", "toys", probe=look)

    assert len(look.take()) == 8
    assert again.fingerprint == first.fingerprint
