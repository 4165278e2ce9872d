"""CPU time of `holdfast --help` against that of a bare interpreter."""

import os
import statistics
import sys

from benchmarks.commands import HOLDFAST, run

_RUNS = 10


def main() -> list[tuple[str, float, float | None]]:
    if not hasattr(os, "wait4"):  # Windows counts no times of a child that has ended
        return []
    bare = (sys.executable, "-c", "pass")
    pairs = [(run([*HOLDFAST, "--help"]).cpu_s, run(bare).cpu_s) for _ in range(_RUNS)]
    helped, empty = (statistics.median(side) for side in zip(*pairs, strict=True))
    return [
        ("holdfast --help / a bare interpreter (CPU)", helped / empty, None),
        ("holdfast --help, CPU seconds", helped, 0.15),
    ]


if __name__ == "__main__":
    print(main())
