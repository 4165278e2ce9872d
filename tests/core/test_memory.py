"""What was freed is given back, where the system can do that."""

import mmap
import platform
import sys
from pathlib import Path

import psutil
import pytest

from holdfast.core import memory
from holdfast.core.memory import give_back, use_large_pages


def has_glibc() -> bool:
    return sys.platform == "linux" and "libc.so.6" in Path("/proc/self/maps").read_text()


PRIVATE = 0x22  # MAP_PRIVATE | MAP_ANONYMOUS; mmap shares by default


def can_collapse() -> bool:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        return False
    return tuple(map(int, platform.release().split(".")[:2])) >= (6, 1)


@pytest.mark.skipif(not has_glibc(), reason="other C libraries do it by themselves, or cannot")
def test_memory_between_pieces_that_are_used_is_given_back() -> None:
    pieces = [bytes(5000) for _ in range(20_000)]
    kept = pieces[::1000]
    del pieces
    before = psutil.Process().memory_info().rss

    give_back()

    assert before - psutil.Process().memory_info().rss > 50_000_000
    assert len(kept) == 20


def on_large_pages() -> int:
    """Bytes of this process that lie on large pages."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(rollup.split("AnonHugePages:")[1].split()[0]) * 1024


@pytest.mark.skipif(
    not can_collapse(), reason="the system has no large pages, or cannot put what is there on them"
)
def test_what_is_full_comes_to_large_pages_and_what_is_not_holds_no_more_than_before() -> None:
    full, sparse = mmap.mmap(-1, 64 << 20, flags=PRIVATE), mmap.mmap(-1, 64 << 20, flags=PRIVATE)
    full.write(bytes(range(256)) * (256 << 10))
    for start in range(0, len(sparse), 1 << 20):
        sparse[start] = 1
    before, large = psutil.Process().memory_info().rss, on_large_pages()

    use_large_pages()

    assert on_large_pages() - large >= 48 << 20
    assert psutil.Process().memory_info().rss - before < 4 << 20
    assert full[:] == bytes(range(256)) * (256 << 10)


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> object:
        raise OSError("no such library")

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    give_back()
    use_large_pages()
    monkeypatch.setattr(memory.sys, "platform", "win32")
    give_back()
    use_large_pages()
