"""Bytes that no version needs go; every version stays whole, whatever happens meanwhile."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from holdfast.core.errors import DataError, RefError
from holdfast.core.refs import parse_ref
from holdfast.data import fingerprint, ingest, open_version, versions_of
from holdfast.data.gc import collect
from holdfast.data.removal import remove_version
from holdfast.data.tags import history
from holdfast.data.verify import verify
from holdfast.testing.toys import write_images


def add(source: Path, root: Path) -> None:
    ingest(source, root, "toys", probe=lambda modality, data: {})


def whole(root: Path) -> dict[int, str]:
    """The fingerprint of each version, after reading every byte of it."""
    found = {}
    for number in versions_of(root, "toys"):
        with open_version(root, parse_ref(f"toys@{number}")) as version:
            assert verify(version) == []
            found[number] = fingerprint(version.table)
            assert found[number] == version.info.fingerprint
    return found


def stored(root: Path) -> list[str]:
    """What lies in the shards, by their own headers."""
    names = []
    for path in (root / "toys/shards").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
        with tarfile.open(path) as archive:
            names += archive.getnames()
    return sorted(names)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Versions 1 to 3 in three shards: some pictures in all of them, some in one only."""
    source, root = write_images(tmp_path / "in", per_class=6), tmp_path / "root"
    add(source, root)
    for seed in (1, 2):
        for number in range(seed):
            (source / f"disc/disc ({number + seed}).png").unlink()
        write_images(tmp_path / f"more {seed}", per_class=2, seed=seed)
        shutil.copytree(tmp_path / f"more {seed}", source / f"more {seed}")
        for label in ("disc", "square"):
            for path in sorted((source / f"more {seed}" / label).iterdir()):
                path.rename(source / label / f"{seed} {path.name}")
        shutil.rmtree(source / f"more {seed}")
        add(source, root)
    return root


def needed(root: Path) -> list[str]:
    digests = set()
    for number in versions_of(root, "toys"):
        with open_version(root, parse_ref(f"toys@{number}")) as version:
            digests |= set(version.digests)
    return sorted(f"{digest}.png" for digest in digests)


def test_nothing_is_done_where_all_is_needed(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}

    done = collect(root, "toys")

    assert (done.removed, done.written, done.freed_bytes) == (0, 0, 0)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("gone", [[1], [2], [3], [1, 2], [2, 3], [1, 2, 3]])
def test_after_a_collection_the_shards_hold_what_versions_need_and_no_more(
    root: Path, gone: list[int]
) -> None:
    before = whole(root)
    for number in gone:
        remove_version(root, parse_ref(f"toys@{number}"))
    size = sum(path.stat().st_size for path in (root / "toys/shards").iterdir())

    done = collect(root, "toys")

    assert stored(root) == needed(root)
    assert whole(root) == {number: found for number, found in before.items() if number not in gone}
    left = sum(path.stat().st_size for path in (root / "toys/shards").iterdir())
    assert done.freed_bytes == size - left
    assert (left < size) == (gone != [2])  # what was in version 2 is in another one too
    assert history(root / "toys").lines()[-1]["event"] == ("gc" if gone != [2] else "remove")
    assert collect(root, "toys").removed == 0


def test_orphans_and_what_killed_writers_left_go(root: Path) -> None:
    shards = root / "toys/shards"
    (shards / ("0" * 64 + ".tar")).write_bytes(b"no tar at all")
    (shards / ".aside-1.tar").write_bytes(b"unfinished")
    (root / "toys/versions/.aside-2").mkdir()

    assert collect(root, "toys").removed == 1

    assert stored(root) == needed(root)
    assert sorted(path.name for path in (root / "toys/versions").iterdir()) == ["1", "2", "3"]


def test_the_same_data_added_again_is_the_version_that_it_was(root: Path, tmp_path: Path) -> None:
    before = whole(root)[3]
    remove_version(root, parse_ref("toys@1"))
    collect(root, "toys")

    add(tmp_path / "in", root)

    assert versions_of(root, "toys") == [2, 3]
    assert whole(root)[3] == before


def test_a_reader_that_was_open_reads_on(root: Path) -> None:
    with open_version(root, parse_ref("toys@3")) as warm, open_version(root, parse_ref("toys@3")) as cold:
        wanted = [warm.read(index) for index in range(len(warm))]
        remove_version(root, parse_ref("toys@1"))
        remove_version(root, parse_ref("toys@2"))
        assert collect(root, "toys").written == 1

        assert [warm.read(index) for index in range(len(warm))] == wanted  # its shards are still open
        assert [cold.read(index) for index in range(len(cold))] == wanted  # it looks up the new places


def test_a_reader_of_a_removed_version_is_told(root: Path) -> None:
    with open_version(root, parse_ref("toys@1")) as version:
        remove_version(root, parse_ref("toys@1"))
        collect(root, "toys")

        with pytest.raises(DataError, match="toys@1 was removed while it was being read"):
            version.read(0)


def test_a_damaged_shard_is_never_the_reason_to_lose_the_good_copy(root: Path, tmp_path: Path) -> None:
    with open_version(root, parse_ref("toys@1")) as version:
        first = Path(root / f"toys/shards/{version.table.column('shard')[0]}.tar")
    data = bytearray(first.read_bytes())
    data[600] ^= 1
    first.write_bytes(data)
    ingest(tmp_path / "in", root, "toys", probe=lambda modality, data: {}, verify=True)
    latest = versions_of(root, "toys")[-1]

    collect(root, "toys")

    with open_version(root, parse_ref(f"toys@{latest}")) as version:
        assert verify(version) == []


def test_damage_in_what_must_be_rewritten_removes_nothing(root: Path) -> None:
    with open_version(root, parse_ref("toys@3")) as version:
        row = [str(name) for name in version.names].index("disc/disc (0).png")
        shard, offset = (version.table.column(key)[row].as_py() for key in ("shard", "offset"))
    path = root / f"toys/shards/{shard}.tar"
    data = bytearray(path.read_bytes())
    data[offset + 3] ^= 1
    path.write_bytes(data)
    remove_version(root, parse_ref("toys@1"))
    before = sorted(path.name for path in (root / "toys/shards").iterdir())

    with pytest.raises(DataError, match="nothing was removed") as caught:
        collect(root, "toys")

    assert "--verify" in (caught.value.hint or "")
    assert sorted(path.name for path in (root / "toys/shards").iterdir()) == before


def test_a_version_that_cannot_be_read_stops_a_collection(root: Path) -> None:
    (root / "toys/versions/2/samples.parquet").write_bytes(b"")

    with pytest.raises(DataError, match="nobody knows which bytes it needs") as caught:
        collect(root, "toys")
    assert "holdfast data remove toys@2" in (caught.value.hint or "")
    remove_version(root, parse_ref("toys@2"))
    collect(root, "toys")

    assert stored(root) == needed(root)
    with pytest.raises(RefError, match="there is no dataset 'boats'"):
        collect(root, "boats")


def test_a_full_disk_leaves_all_versions_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = whole(root)
    remove_version(root, parse_ref("toys@1"))

    def full(path: Path, data: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.data.shards._write_all", full)
        with pytest.raises(DataError, match="toys: No space left"):
            collect(root, "toys")

    assert whole(root) == {2: before[2], 3: before[3]}
    collect(root, "toys")
    assert stored(root) == needed(root)


def test_shards_that_are_elsewhere_are_left_alone(root: Path) -> None:
    """As with a lazy version, whose bytes stay at its remote."""
    with open_version(root, parse_ref("toys@3")) as version:
        rows = version.table.column("shard").to_pylist()
    (root / f"toys/shards/{rows[0]}.tar").unlink()

    collect(root, "toys")

    with open_version(root, parse_ref("toys@3")) as version:
        assert version.table.column("shard").to_pylist()[0] == rows[0]


CHILD = """
import os, signal, sys
from pathlib import Path
from holdfast.data.gc import collect
root, deadly = Path(sys.argv[1]), int(sys.argv[2])
count = 0
def dying(owner, name):
    real = getattr(owner, name)
    def call(*args, **options):
        global count
        count += 1
        if count == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    setattr(owner, name, call)
dying(os, "fsync")
dying(Path, "unlink")
print(collect(root, "toys"))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_flush_or_removal_leaves_every_version_whole(
    root: Path, tmp_path: Path, step: int
) -> None:
    remove_version(root, parse_ref("toys@1"))
    calm = tmp_path / "calm"
    shutil.copytree(root, calm)
    collect(calm, "toys")
    wanted = whole(calm)

    for moment in range(1, 99, step):
        trial = tmp_path / f"trial {moment}"  # from the beginning, and then run again
        shutil.copytree(root, trial)
        command = [sys.executable, "-c", CHILD, str(trial), str(moment)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert whole(trial) == wanted
        collect(trial, "toys")
        assert whole(trial) == wanted
        assert stored(trial) == stored(calm)
        shutil.rmtree(trial)

    assert 10 < moment < 90
