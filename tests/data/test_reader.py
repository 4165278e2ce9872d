"""Reading ahead: the same bytes as one by one, in few long spans, in bounded memory, loud about damage."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import DataError
from holdfast.core.refs import Ref
from holdfast.data import Version, ingest, open_version
from holdfast.data.reader import read_ahead, read_through, spans_of

COUNT = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of bytes of many lengths."""
    folder = tmp_path_factory.mktemp("reader")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        path = folder / "source" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.bytes(int(rng.integers(1, 5000))))
    ingest(folder / "source", folder / "store", "bytes", probe=lambda *_: {})
    return folder / "store"


@pytest.fixture
def version(store: Path):
    with open_version(store, Ref("bytes")) as opened:
        yield opened


class Asked:
    """Stands before the shards of a version as those of a remote do, and writes down what is read."""

    def __init__(self, version: Version, request_bytes: int = 2**20) -> None:
        self.inner, self.spans = version.places.shards, []
        self.request_bytes, self.at_once = request_bytes, 1
        version.places.shards = self

    def read(self, *span: int) -> bytes:
        self.spans.append(span)
        return self.inner.read(*span)

    def __getattr__(self, name: str):
        return getattr(self.inner, name)


@pytest.mark.parametrize("is_remote", [False, True])
def test_each_sample_has_the_bytes_that_read_gives(version, is_remote) -> None:
    order = np.random.default_rng(1).permutation(COUNT)
    batches = [*np.split(order, [7, 7, 30]), order[:5]]  # an empty one, and some a second time
    right = [[version.read(index) for index in batch.tolist()] for batch in batches]
    if is_remote:
        Asked(version)

    for window_bytes in (1, 20_000, 2**30):
        with read_ahead(version, batches, window_bytes=window_bytes) as takes:
            found = [
                [take(index) for index in batch.tolist()] for batch, take in zip(batches, takes, strict=True)
            ]
        assert found == right


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system cannot be asked")
def test_the_system_is_asked_to_read_a_window_in_the_order_of_the_shard(version, monkeypatch) -> None:
    asked, is_done = [], threading.Event()

    def note(_: int, offset: int, length: int, __: int) -> None:
        asked.append((offset, length))
        if all(
            any(at <= start and start + size <= at + span for at, span in asked) for _, start, size in wanted
        ):
            is_done.set()

    wanted = [version.places.span(index) for index in (3, 20, 40)]
    monkeypatch.setattr(os, "posix_fadvise", note)

    with read_ahead(version, [np.array([40, 3, 20])]) as takes:
        next(takes)
        assert is_done.wait(30)

    assert asked == sorted(asked)


def test_a_window_is_read_in_one_long_span_and_in_the_order_of_the_shard(version) -> None:
    batches = np.split(np.random.default_rng(1).permutation(COUNT), 6)
    asked = Asked(version)

    with read_ahead(version, batches, window_bytes=2**30) as takes:
        for batch, take in zip(batches, takes, strict=True):
            assert all(take(index) for index in batch.tolist())

    assert len(asked.spans) == 3  # of one, two and three batches


def test_far_samples_are_read_one_by_one_and_in_order(version) -> None:
    asked = Asked(version, request_bytes=0)

    with read_ahead(version, [np.array([40, 3, 20])]) as takes:
        take = next(takes)
        assert [take(index) for index in (3, 20, 40)] == [version.read(index) for index in (3, 20, 40)]

    offsets = [offset for _, offset, _ in asked.spans[:3]]
    assert offsets == sorted(offsets)


def test_what_nobody_needs_is_not_read(version) -> None:
    asked = Asked(version)

    with read_ahead(version, np.split(np.arange(COUNT), 6), needed=lambda batch: batch[:0]) as takes:
        assert len(list(takes)) == 6

    assert asked.spans == []


def test_no_more_than_two_windows_are_asked_for_at_once(version) -> None:
    batches = np.split(np.arange(COUNT), COUNT)
    asked, limit = Asked(version, request_bytes=1024), 12_000

    with read_ahead(version, batches, window_bytes=limit) as takes:
        for seen, (batch, take) in enumerate(zip(batches, takes, strict=True)):
            take(int(batch[0]))
            ahead = (
                sum(length for *_, length in list(asked.spans))
                - version.places.spans(np.arange(seen))[2].sum()
            )
            assert ahead < 3 * (limit + 5000) + seen * 1024  # of each sample, its header and what fills it up


def test_reading_can_end_early(version) -> None:
    with read_ahead(version, np.split(np.arange(COUNT), 6)) as takes:
        next(takes)


@pytest.mark.parametrize("is_remote", [False, True])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_sample_is_named_when_it_is_asked_for(store, tmp_path, damage, is_remote) -> None:
    home = shutil.copytree(store, tmp_path / "store")
    with open_version(home, Ref("bytes")) as version:
        [shard] = (home / "bytes" / "shards").iterdir()
        _, offsets, _ = version.places.spans(np.arange(COUNT))
        index = int(offsets.argmax())
        content = bytearray(shard.read_bytes())
        content[int(offsets[index])] ^= 1
        shard.chmod(0o644)
        if damage == "gone":
            shard.unlink()
        else:
            shard.write_bytes(content if damage == "changed" else content[: int(offsets[index])])

        if is_remote:
            Asked(version)
        with read_ahead(version, [np.arange(COUNT)]) as takes:
            take = next(takes)
            if damage != "gone":
                assert take(0) == version.read(0)
            with pytest.raises(DataError, match="cannot be read from") as error:
                take(index)

    assert str(version.names[index]) in error.value.message


@pytest.mark.parametrize("is_remote", [False, True])
def test_reading_through_gives_each_sample_once_in_the_order_of_the_shard(version, is_remote) -> None:
    chosen = np.random.default_rng(1).permutation(COUNT)[:40]
    right = [version.read(int(index)) for index in chosen]
    asked = Asked(version) if is_remote else None

    found = [sample for part in read_through(version, chosen) for sample in part]

    assert {place: bytes(data) for place, data in found} == dict(enumerate(right))
    assert len(found) == 40
    offsets = [version.places.span(int(chosen[place]))[1] for place, _ in found]
    assert offsets == sorted(offsets)
    assert asked is None or len(asked.spans) == 1
    assert list(read_through(version, chosen[:0])) == []


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_reading_through_names_a_damaged_sample(store, tmp_path, damage) -> None:
    home = shutil.copytree(store, tmp_path / "store")
    with open_version(home, Ref("bytes")) as version:
        [shard] = (home / "bytes" / "shards").iterdir()
        _, offsets, _ = version.places.spans(np.arange(COUNT))
        content = bytearray(shard.read_bytes())
        content[int(offsets.max())] ^= 1
        shard.chmod(0o644)
        if damage == "gone":
            shard.unlink()
        else:
            shard.write_bytes(content if damage == "changed" else content[: int(offsets.max())])

        with pytest.raises(DataError, match="cannot be read from") as error:
            list(read_through(version, np.arange(COUNT)))

    assert damage == "gone" or str(version.names[offsets.argmax()]) in error.value.message


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 9)), max_size=20),
    st.integers(0, 12),
    st.integers(10, 60),
)
def test_spans_hold_every_sample_and_no_gap_that_is_too_long(samples, gap, most) -> None:
    ends = [0, 0, 0]
    placed = []
    for shard, before, length in sorted(samples):
        placed.append((shard, ends[shard] + before, length))
        ends[shard] += before + length
    shards, offsets, lengths = np.array(placed, np.int64).reshape(-1, 3).T

    spans, span = spans_of(shards, offsets, lengths, gap=gap, most=most)

    inside = spans[span]
    assert np.array_equal(inside[:, 0], shards)
    assert np.all(inside[:, 1] <= offsets)
    assert np.all(offsets + lengths <= inside[:, 1] + inside[:, 2])
    assert np.all(spans[:, 2] <= most + 9 + gap)
    read = spans[:, 2].sum()
    assert read - lengths.sum() <= gap * max(0, len(samples) - len(spans))
