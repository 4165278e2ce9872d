"""What was freed is given back, where the system can do that."""

import sys
from pathlib import Path

import psutil
import pytest

from holdfast.core import memory
from holdfast.core.memory import give_back


def has_glibc() -> bool:
    return sys.platform == "linux" and "libc.so.6" in Path("/proc/self/maps").read_text()


@pytest.mark.skipif(not has_glibc(), reason="other C libraries do it by themselves, or cannot")
def test_memory_between_pieces_that_are_used_is_given_back() -> None:
    pieces = [bytes(5000) for _ in range(20_000)]
    kept = pieces[::1000]
    del pieces
    before = psutil.Process().memory_info().rss

    give_back()

    assert before - psutil.Process().memory_info().rss > 50_000_000
    assert len(kept) == 20


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> object:
        raise OSError("no such library")

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    give_back()
    monkeypatch.setattr(memory.sys, "platform", "win32")
    give_back()
