"""Samples are looked at once; those that are no good are named."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from holdfast.core.media import Modality
from holdfast.core.refs import parse_ref
from holdfast.data import ingest, read_quarantine
from holdfast.data.look import _threads
from holdfast.testing.toys import write_images


@pytest.mark.skipif(os.name == "nt", reason="needs the permissions of Unix")
def test_a_file_that_vanishes_or_may_not_be_read_is_quarantined(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=4)
    victim = source / "disc/disc (0).png"

    def vanish(modality: str, data: bytes) -> Mapping[str, int]:
        victim.unlink(missing_ok=True)
        return {}

    (source / "disc/link.png").symlink_to(source / "nowhere.png")
    info = ingest(source, tmp_path / "root", "toys", probe=vanish)

    reasons = {item.name: item.reason for item in read_quarantine(tmp_path / "root", parse_ref("toys"))}
    assert reasons["disc/link.png"] == "cannot be read: No such file or directory"
    assert info.samples + info.quarantined == 9


@pytest.mark.parametrize(
    ("modality", "length", "busy", "one"),
    [
        ("text", 8_000, 0.95, True),
        ("text", 8_000, 0.2, False),  # a slow disk, or a remote: others can be read meanwhile
        ("text", 10**6, 0.95, False),  # digests do not need the lock
        ("image", 8_000, 0.95, False),  # nor do decoders
    ],
)
def test_only_small_texts_in_memory_are_looked_at_by_one_thread(
    modality: Modality, length: int, busy: float, one: bool
) -> None:
    assert (_threads(modality, np.full(3, length), busy) == 1) == one


@pytest.mark.parametrize(("away", "threads"), [(1, False), (4, True)])
def test_a_core_that_is_taken_away_for_a_moment_brings_no_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: int, threads: bool
) -> None:
    """Away in some of the four pieces that are looked at first."""
    clock = iter(second for piece in range(4) for second in (piece, piece + (0.5 if piece < away else 0.01)))
    cores = iter(second for piece in range(4) for second in (piece, piece + 0.01))
    times = SimpleNamespace(perf_counter=lambda: next(clock), thread_time=lambda: next(cores))
    monkeypatch.setattr("holdfast.data.look.time", times)
    rows = [f"text {number},{'ab'[number % 2]}" for number in range(50)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    ours, seen = threading.get_ident(), set[int]()

    def look(modality: str, data: bytes) -> Mapping[str, int]:
        seen.add(threading.get_ident())
        return {}

    ingest(tmp_path / "t.csv", tmp_path / "root", "toys", probe=look)

    assert (seen != {ours}) == threads


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 600])
def test_every_sample_is_looked_at_once_however_many_there_are(tmp_path: Path, count: int) -> None:
    rows = [f"text {number},{'ab'[number % 2]}" for number in range(count + 4)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    seen: list[bytes] = []

    def look(modality: str, data: bytes) -> Mapping[str, int]:
        seen.append(data)
        return {}

    ingest(tmp_path / "t.csv", tmp_path / "root", "toys", probe=look)

    assert sorted(seen) == sorted(row.split(",")[0].encode() for row in rows)
