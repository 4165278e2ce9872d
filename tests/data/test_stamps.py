"""What was found is told again only while nothing at all has changed."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.core.errors import InputError
from holdfast.core.refs import Ref
from holdfast.data import SourceOptions, VersionInfo, ingest
from holdfast.data.gc import collect
from holdfast.data.removal import remove_version
from holdfast.data.stamps import Stamp
from holdfast.data.tags import set_tag

OLD_S = 1_000_000_000


def probe(_: str, data: bytes) -> Mapping[str, int]:
    if data == b"broken":
        raise InputError("broken")
    return {"chars": len(data)}


def write(path: Path, text: str, *, seconds: float = OLD_S) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (seconds, seconds))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for label in "ab":
        for number in range(20):
            write(tmp_path / "in" / label / f"{number}.txt", f"{label}{number}")
    write(tmp_path / "in/a/deep/20.txt", "deep")
    return tmp_path / "in"


def home(source: Path) -> Path:
    return source.parent / "root" / "toys"


def add(source: Path, *, verify: bool = False, name: str = "toys", **options: object) -> VersionInfo:
    asked = SourceOptions(**options)  # type: ignore[arg-type]
    return ingest(source, source.parent / "root", name, options=asked, probe=probe, verify=verify)


def told(
    source: Path, *, name: str = "toys", apart: tuple[Path, ...] = (), **options: object
) -> VersionInfo | None:
    asked = SourceOptions(**options)  # type: ignore[arg-type]
    return Stamp(source.parent / "root", name, source, asked, apart).answer()


def only(folder: Path, pattern: str = "*") -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_a_folder_that_nobody_touched_is_told_as_it_was_found(source: Path) -> None:
    assert told(source) is None

    first = add(source)

    assert told(source) == first
    assert add(source) == first
    assert told(source) == first


def test_the_answer_is_what_another_look_would_end_with(source: Path) -> None:
    add(source)
    write(source / "a/new.txt", "new")
    second = add(source)
    assert told(source) == second == add(source)

    (source / "a/new.txt").unlink()
    first = add(source)

    assert (first.version, second.version) == (1, 2)
    assert told(source) == first == add(source)


HARMS: dict[str, Callable[[Path], object]] = {
    "a file more": lambda it: write(it / "a/more.txt", "more"),
    "a file less": lambda it: (it / "a/3.txt").unlink(),
    "another name": lambda it: (it / "a/deep/20.txt").rename(it / "a/deep/21.txt"),
    "another class": lambda it: (it / "a/3.txt").rename(it / "b/33.txt"),
    "longer": lambda it: write(it / "b/3.txt", "longer"),
    "another time": lambda it: write(it / "b/3.txt", "b!", seconds=OLD_S + 1),
    "another inode": lambda it: (write(it / "new", "b!"), (it / "new").replace(it / "b/3.txt")),
    "another deep down": lambda it: write(it / "a/deep/20.txt", "DEEP", seconds=OLD_S + 1),
    "no file any more": lambda it: ((it / "a/3.txt").unlink(), (it / "a/3.txt").symlink_to("nowhere")),
    "a folder more": lambda it: (it / "c").mkdir(),
    "a folder less": lambda it: shutil.rmtree(it / "a/deep"),
    "a link to a folder": lambda it: (it / "c").symlink_to(it / "a"),
    "a table": lambda it: write(it / "labels.csv", "file,label\na/1.txt,x\n"),
    "a paper": lambda it: write(it / "README.md", "read me"),
    "no folder": lambda it: it.rename(it.with_name("gone")),
}


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_happens_to_a_source_it_is_looked_at(source: Path, harm: str) -> None:
    add(source)
    assert told(source)

    HARMS[harm](source)

    assert told(source) is None


def _rewrite(path: Path, data: bytes) -> None:
    """Other bytes under the same inode, length and time of writing."""
    status = path.stat()
    time.sleep(0.02)  # a tick of the file system's clock
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    _rewrite(path, bytes(data))


def _second_version(home: Path) -> None:
    other = home.parents[1] / "other"
    for label in "ab":
        write(other / label / "1.txt", f"other {label}")
    ingest(other, home.parent, home.name, probe=probe)


STORE_HARMS: dict[str, Callable[[Path], object]] = {
    "a shard is lost": lambda it: only(it / "shards").unlink(),
    "a shard is cut": lambda it: os.truncate(only(it / "shards"), 1000),
    "a shard more": lambda it: write(it / "shards/0.tar", "of a killed run"),
    "samples are damaged": lambda it: _flip(it / "versions/1/samples.parquet"),
    "facts are damaged": lambda it: _flip(it / "versions/1/version.json"),
    "quarantine is lost": lambda it: (it / "versions/1/quarantine.parquet").unlink(),
    "the version is gone": lambda it: remove_version(it.parent, Ref(it.name, version=1)),
    "the version is elsewhere": lambda it: write(it / "versions/1/remote.json", "{}"),
    "a version more": _second_version,
    "a writer was killed": lambda it: (it / "versions/.aside-1").mkdir(),
    "a writer of shards was killed": lambda it: write(it / "shards/.aside-1", ""),
    "a spill is left": lambda it: write(it / ".aside-1", ""),
    "a record is left": lambda it: write(it / "scans/.aside-1", ""),
    "the record is lost": lambda it: only(it / "scans", "*.parquet").unlink(),
    "the stamp is lost": lambda it: only(it / "scans", "*.json").unlink(),
    "the stamp is cut": lambda it: os.truncate(only(it / "scans", "*.json"), 100),
    "the stamp is of another form": lambda it: only(it / "scans", "*.json").write_text("[]"),
    "the dataset is gone": shutil.rmtree,
}


@pytest.mark.parametrize("harm", STORE_HARMS)
def test_whatever_happens_to_the_store_the_source_is_looked_at(source: Path, harm: str) -> None:
    add(source)
    assert told(source)

    STORE_HARMS[harm](home(source))

    assert told(source) is None


def test_after_unused_bytes_were_freed_the_source_is_looked_at(source: Path) -> None:
    add(source)
    write(source / "a/more.txt", "more")
    last = add(source)
    assert told(source) == last
    remove_version(home(source).parent, Ref("toys", version=1))
    add(source)
    assert told(source) == last
    _second_version(home(source))
    remove_version(home(source).parent, Ref("toys", version=2))

    assert collect(home(source).parent, "toys").removed

    assert told(source) is None


def test_a_tag_changes_nothing(source: Path) -> None:
    first = add(source)

    set_tag(home(source), "gold", 1, fingerprint=first.fingerprint)

    assert told(source) == first == add(source)


def test_who_asks_for_something_else_is_not_told(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = add(source)
    (source.parent / "link").symlink_to(source)
    (source.parent / "copy").mkdir()
    shutil.copytree(source, source.parent / "copy/in")

    assert told(source.parent / "link") == first
    assert told(source, seed=1) is None
    assert told(source, test_share=0.1) is None
    assert told(source, ignore=("b",)) is None
    assert told(source, name="others") is None
    assert told(source, apart=(source / "b",)) is None
    assert told(source.parent / "copy/in") is None
    monkeypatch.setattr("holdfast.data.stamps.__version__", "0.0")
    assert told(source) is None


def test_what_is_ignored_or_apart_stays_so(source: Path) -> None:
    (source / "a/more").symlink_to(source / "b")
    options = {"ignore": ("b/1*",)}
    first = add(source, **options)

    assert first.notes
    assert told(source, **options) == first == add(source, **options)

    (source / "root").mkdir()
    within = ingest(source, source / "root", "toys", probe=probe)
    assert any("workspace lies in the source" in note for note in within.notes)
    assert Stamp(source / "root", "toys", source, SourceOptions(), ()).answer() == within


def test_a_file_that_may_still_be_changing_is_looked_at(source: Path) -> None:
    write(source / "a/3.txt", "a3", seconds=time.time())
    add(source)

    assert told(source) is None
    write(source / "a/3.txt", "a3")
    add(source)
    assert told(source)


def test_a_file_that_cannot_be_used_is_looked_at_each_time(source: Path) -> None:
    write(source / "a/3.txt", "broken")

    assert add(source).quarantined == 1
    assert told(source) is None


def test_what_is_left_out_for_its_name_need_not_be_looked_at(source: Path) -> None:
    for path in source.rglob("*.txt"):
        path.rename(path.with_suffix(".png"))
    write(source / "loose.png", "loose")

    first = add(source)

    assert first.quarantined == 1
    assert told(source) == first == add(source)


@pytest.mark.parametrize("kind", ["beside", "unused", "alone", "zip"])
def test_tables_and_archives_are_read_each_time(source: Path, kind: str) -> None:
    given = source
    if kind == "beside":
        rows = [f"{path.relative_to(source).as_posix()},{path.parent.name}" for path in source.rglob("*.txt")]
        write(source / "labels.csv", "\n".join(["file,label", *rows]))
    elif kind == "unused":
        write(source / "notes.csv", "colour,taste\nred,sweet\nblue,sour\n")
    elif kind == "alone":
        given = source.parent / "texts.csv"
        rows = [f"text {number},{'ab'[number % 2]}" for number in range(20)]
        write(given, "\n".join(["text,label", *rows]))
    else:
        given = Path(shutil.make_archive(str(source.parent / "all"), "zip", source))
        os.utime(given, (OLD_S, OLD_S))
    add(given)
    add(given)

    assert told(given) is None
    assert not list((home(source) / "scans").glob("*.json"))


def test_what_is_told_of_shares_or_splits_is_told_once_it_stays(source: Path) -> None:
    """What a first look says of them hangs on what there was before."""
    few = {"test_share": 0.02}
    first = add(source, **few)
    assert any("test holds" in note or "no sample is in" in note for note in first.notes)
    assert told(source, **few) is None
    again = add(source, **few)
    assert told(source, **few) == again == add(source, **few)

    for path in [*source.rglob("*.txt")]:
        split = "test" if path.stem.endswith("1") else "train"
        (source.parent / "split" / split / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, source.parent / "split" / split / path.parent.name / path.name)
    add(source.parent / "split", name="given")
    assert told(source.parent / "split", name="given") is None
    again = add(source.parent / "split", name="given")
    assert told(source.parent / "split", name="given") == again == add(source.parent / "split", name="given")


def test_after_something_was_mended_the_source_is_looked_at_once_more(source: Path) -> None:
    first = add(source)
    os.truncate(only(home(source) / "shards"), 1000)

    mended = add(source)

    assert "damaged shards were restored" in mended.notes[-1]
    assert told(source) is None
    assert add(source) == told(source) == first


def test_verifying_finds_what_left_no_trace_and_this_is_told_then(source: Path) -> None:
    first = add(source)
    write(source / "a/3.txt", "A3")
    assert told(source) == first

    second = add(source, verify=True)

    assert second.version == 2
    assert told(source) == second


def test_a_stamp_that_cannot_be_kept_only_costs_time(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        first = add(source)

    assert told(source) is None
    assert add(source) == first == told(source)


def test_a_stamp_holds_no_more_than_a_line_for_each_folder(source: Path) -> None:
    first = add(source)

    kept = json.loads(only(home(source) / "scans", "*.json").read_text())

    assert len(kept["marks"]) == len(["in", "a", "a/deep", "b"]) + 1
    assert VersionInfo.from_json(kept["answer"]) == replace(first)
