"""Grouping near hashes by bands against comparing all pairs, and a million of them."""

import sys
import time

import numpy as np

from holdfast.data.near import hamming_groups

_RADIUS = 8
_SMALL, _LARGE = 60_000, 1_000_000


def main() -> list[tuple[str, float, float | None]]:
    hamming_groups(hashes(100), _RADIUS)  # loads what it needs
    small = hashes(_SMALL)
    started = time.process_time()
    grouped = hamming_groups(small, _RADIUS).groups
    banded_s = time.process_time() - started
    started = time.process_time()
    pairs = _all_pairs(small)
    brute_s = time.process_time() - started
    assert (grouped[pairs[:, 0]] == grouped[pairs[:, 1]]).all()

    large, before = hashes(_LARGE), _memory_mb()
    started = time.process_time()
    assert hamming_groups(large, _RADIUS).crowded == 0
    large_s = time.process_time() - started
    return [
        (f"near hashes, {_SMALL:,}: all pairs / bands (CPU)", brute_s / banded_s, None),
        (f"near hashes, {_LARGE:,}: CPU seconds", large_s, 120.0),
        (f"near hashes, {_LARGE:,}: MB more", _memory_mb() - before, 1000.0),
    ]


def hashes(count: int) -> np.ndarray:
    """Chance hashes, of which one in twenty is near to another."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, 2**64, count, dtype=np.uint64)
    near = count // 20
    flips = np.bitwise_or.reduce(np.uint64(1) << generator.integers(0, 64, (_RADIUS, near), dtype=np.uint64))
    drawn[:near] = drawn[-near:] ^ flips
    return drawn


def _all_pairs(hashes: np.ndarray) -> np.ndarray:
    found = []
    for row in range(len(hashes) - 1):
        near = np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ hashes[row]) <= _RADIUS)
        found.append(np.stack([np.full(len(near), row), near + row + 1], axis=1))
    return np.concatenate(found)


def _memory_mb() -> float:
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    print(main())
