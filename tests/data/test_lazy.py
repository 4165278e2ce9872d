"""A lazy version reads from its remote what it does not have, and keeps as much of it as it may."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.data import ingest, lazy, open_version
from holdfast.data.pull import pull
from holdfast.data.push import push
from holdfast.data.reader import read_ahead
from holdfast.data.verify import how_to_mend, verify
from holdfast.testing.proxy import Proxy
from holdfast.testing.toys import write_texts
from tests.servers import BUCKET, look, s3_server, store

SEA = parse_ref("sea")
BLOCK = 4096


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as it:
        yield it


@pytest.fixture(scope="module")
def root(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty texts in a shard of eleven blocks of 4 KB, pushed."""
    here = store(tmp_path_factory.mktemp("here"))
    push(here, SEA, f"s3://{BUCKET}/lazy")
    return here


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    monkeypatch.setattr(lazy, "BLOCK_BYTES", BLOCK)
    proxy.seen.clear()


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    pull(tmp_path, SEA, f"s3://{BUCKET}/lazy", lazy=True)
    return tmp_path


def blocks(home: Path) -> list[Path]:
    return [path for path in (home / "sea/blocks").glob("*") if not path.name.startswith(".")]


def read_all(root: Path) -> list[bytes]:
    with open_version(root, SEA) as version:
        return [version.read(index) for index in range(len(version))]


def shard_bytes(root: Path) -> int:
    return next((root / "sea/shards").glob("*.tar")).stat().st_size


def test_each_block_is_fetched_once(home: Path, root: Path, proxy: Proxy) -> None:
    read_all(home)
    first = proxy.count("GET", "shards/")
    with open_version(home, SEA) as version, ThreadPoolExecutor(4) as pool:
        again = list(pool.map(version.read, range(len(version))))

    assert first == len(blocks(home)) <= -(-shard_bytes(root) // BLOCK)
    assert proxy.count("GET", "shards/") == first
    assert again == read_all(root)


def test_threads_that_want_the_same_block_wait_for_one_request(home: Path, root: Path, proxy: Proxy) -> None:
    with open_version(home, SEA) as version, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(version.read, range(len(version))))

    assert found == read_all(root)
    assert proxy.count("GET", "shards/") == len(blocks(home))


def test_nothing_is_asked_before_a_sample_is_read(home: Path, proxy: Proxy) -> None:
    proxy.seen.clear()

    with open_version(home, SEA) as version:
        assert len(version.names) == 40

    assert proxy.seen == []


def test_blocks_never_take_more_than_their_room(tmp_path: Path, root: Path) -> None:
    pull(tmp_path, SEA, f"s3://{BUCKET}/lazy", lazy=True, cache_bytes=4 * BLOCK)

    for _ in range(2):
        assert read_all(tmp_path) == read_all(root)
        assert 0 < sum(path.stat().st_size for path in blocks(tmp_path)) <= 4 * BLOCK


def test_the_least_recently_used_block_is_dropped(tmp_path: Path) -> None:
    kept = lazy.Blocks(tmp_path, 3 * 10)
    for number, age in ((0, 300), (1, 200), (2, 100)):
        kept.keep("s", number, bytes(10))
        os.utime(tmp_path / f"s-{number}", (0, 1_000_000 - age))
    assert kept.read("s", 0) == bytes(10)  # used now, so 1 is the oldest

    kept.keep("s", 3, bytes(10))

    assert [number for number in range(4) if kept.read("s", number)] == [0, 3]  # down to nine tenths


def test_without_room_nothing_is_kept(tmp_path: Path, root: Path) -> None:
    pull(tmp_path, SEA, f"s3://{BUCKET}/lazy", lazy=True, cache_bytes=0)

    assert read_all(tmp_path) == read_all(root)
    assert blocks(tmp_path) == []


def test_a_disk_that_takes_no_blocks_does_not_matter(home: Path, root: Path) -> None:
    (home / "sea/blocks").write_text("not a folder")

    assert read_all(home) == read_all(root)


def test_a_damaged_block_is_fetched_again(home: Path, root: Path) -> None:
    read_all(home)
    for path in blocks(home):
        path.write_bytes(b"x" * path.stat().st_size)

    assert read_all(home) == read_all(root)


def test_a_damaged_remote_is_told_with_what_to_do(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "far"
    push(root, SEA, folder)
    other = tmp_path / "other"
    pull(other, SEA, folder, lazy=True)
    (shard,) = (folder / "sea/shards").glob("*.tar")
    shard.write_bytes(shard.read_bytes().replace(b"e", b"f"))

    with open_version(other, SEA) as version:
        with pytest.raises(DataError, match=f"cannot be read from {shard}: these are other bytes") as told:
            version.read(0)
        hint = how_to_mend(version, verify(version))

    assert str(hint).startswith(f"delete the damaged shard at {folder}, and push the version there again")
    assert told.value.hint == hint
    shard.unlink()
    push(root, SEA, folder)
    assert read_all(other) == read_all(root)


def test_a_block_that_changes_after_it_was_read_ahead_is_fetched_again(home: Path, root: Path) -> None:
    right = read_all(root)
    with open_version(home, SEA) as version:
        everything = [np.arange(len(version))]
        for _ in range(2):
            with read_ahead(version, everything) as takes:
                take = next(takes)
                assert [take(index) for index in range(len(version))] == right
            for path in blocks(home):
                path.write_bytes(path.read_bytes().replace(b"e", b"f"))


def test_a_block_that_was_cut_short_is_fetched_again(home: Path, root: Path) -> None:
    read_all(home)
    for path in blocks(home):
        path.write_bytes(path.read_bytes()[:100])

    assert read_all(home) == read_all(root)


def test_a_span_over_many_blocks_is_put_together(home: Path, root: Path, proxy: Proxy) -> None:
    shard = next((root / "sea/shards").glob("*.tar"))
    with open_version(home, SEA) as version:
        version.read(20)  # one block in the middle is here
        shards = version.places.shards
        assert isinstance(shards, lazy.LazyShards)
        proxy.seen.clear()

        found = shards.read(0, 100, 35_000)

    assert found == shard.read_bytes()[100:35_100]
    assert proxy.count("GET", "shards/") <= 4  # neighbours come in one request


def test_any_span_of_kept_blocks_is_what_the_shard_has(home: Path, root: Path, proxy: Proxy) -> None:
    content = next((root / "sea/shards").glob("*.tar")).read_bytes()
    with open_version(home, SEA) as version:
        shards = version.places.shards
        shards.read(0, 0, len(content))
        proxy.seen.clear()

        for begin in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 7):
            for length in (1, 9, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 5):
                wanted = content[begin : begin + length]
                assert shards.read(0, begin, len(wanted)) == wanted

    assert proxy.seen == []


def test_other_bytes_at_the_remote_are_refused(tmp_path: Path, root: Path) -> None:
    push(root, SEA, tmp_path / "far")
    pull(tmp_path / "home", SEA, tmp_path / "far", lazy=True)
    shard = next((tmp_path / "far/sea/shards").glob("*.tar"))
    shard.write_bytes(b"x" * shard.stat().st_size)

    with (
        open_version(tmp_path / "home", SEA) as version,
        pytest.raises(DataError, match="these are other bytes"),
    ):
        version.read(0)


def test_a_shard_that_left_the_remote_is_told(tmp_path: Path, root: Path) -> None:
    push(root, SEA, tmp_path / "far")
    pull(tmp_path / "home", SEA, tmp_path / "far", lazy=True)
    next((tmp_path / "far/sea/shards").glob("*.tar")).unlink()

    with (
        open_version(tmp_path / "home", SEA) as version,
        pytest.raises(DataError, match="is not there, but a lazy version needs it"),
    ):
        version.read(0)


def test_a_shard_that_is_here_is_read_from_here(home: Path, root: Path, proxy: Proxy) -> None:
    shard = next((root / "sea/shards").glob("*.tar"))
    (home / "sea/shards").mkdir(exist_ok=True)
    (home / "sea/shards" / shard.name).write_bytes(shard.read_bytes())
    proxy.seen.clear()

    assert read_all(home) == read_all(root)
    with open_version(home, SEA) as version:
        assert version.places.shards.read(0, 100, 35_000) == shard.read_bytes()[100:35_100]
    assert proxy.seen == []


def test_data_added_to_a_lazy_version_stores_only_what_is_new(
    tmp_path: Path, root: Path, proxy: Proxy
) -> None:
    where = f"s3://{BUCKET}/grown"
    push(root, SEA, where)
    pull(tmp_path / "ann", SEA, where, lazy=True)
    more = write_texts(tmp_path / "more.csv", per_class=25)  # the forty that are there, and ten
    proxy.seen.clear()

    info = ingest(more, tmp_path / "ann", "sea", probe=look)
    asked = proxy.count("GET")
    pushed = push(tmp_path / "ann", SEA, where)
    pull(tmp_path / "bob", SEA, where)

    assert (info.version, info.samples, asked, info.notes) == (2, 50, 0, ())
    assert (pushed.shards, pushed.copied) == (2, 1)
    assert not any("remote.json" in path for _, path in proxy.seen)
    assert read_all(tmp_path / "ann") == read_all(tmp_path / "bob")
    with open_version(tmp_path / "bob", SEA) as version:
        assert len(version) == 50


def test_a_lazy_version_is_not_pushed(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 of 1 shards of sea are not here") as told:
        push(home, SEA, tmp_path / "other")

    assert "a lazy version must be pulled whole before" in str(told.value.hint)


def test_forked_readers_have_connections_of_their_own(home: Path, root: Path) -> None:
    wanted = read_all(root)
    with open_version(home, SEA) as version:
        assert version.read(0) == wanted[0]  # this process has a connection when it forks

        def child(pipe: object) -> None:
            pipe.send([version.read(index) for index in range(len(version))] == wanted)  # type: ignore[attr-defined]

        forks = multiprocessing.get_context("fork")
        pairs = [forks.Pipe(duplex=False) for _ in range(3)]
        children = [forks.Process(target=child, args=(pipe,)) for _, pipe in pairs]
        for process in children:
            process.start()
        answers = [receive.poll(60) and receive.recv() for receive, _ in pairs]
        for process in children:
            process.join(10)

    assert answers == [True] * 3


def test_processes_share_blocks_within_one_limit(tmp_path: Path, root: Path) -> None:
    pull(tmp_path, SEA, f"s3://{BUCKET}/lazy", lazy=True, cache_bytes=5 * BLOCK)
    program = (
        "import sys, hashlib; from pathlib import Path; from holdfast.data import lazy, open_version\n"
        "from holdfast.core.refs import parse_ref\n"
        f"lazy.BLOCK_BYTES = {BLOCK}\n"
        "version = open_version(Path(sys.argv[1]), parse_ref('sea'))\n"
        "for _ in range(3): found = [version.read(i) for i in range(len(version))]\n"
        "print(len(found))"
    )

    readers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]

    assert [reader.communicate(timeout=120)[0].strip() for reader in readers] == ["40", "40"]
    assert sum(path.stat().st_size for path in blocks(tmp_path)) <= 6 * BLOCK  # one may be on its way
