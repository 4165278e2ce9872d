"""CPU time of `holdfast --help` against that of a bare interpreter."""

import statistics
import subprocess
import sys
import time

import psutil

_RUNS = 10


def main() -> list[tuple[str, float, float | None]]:
    command = [sys.executable, "-m", "holdfast", "--help"]
    bare = [sys.executable, "-c", "pass"]
    pairs = [(_cpu_s(command), _cpu_s(bare)) for _ in range(_RUNS)]
    helped, empty = (statistics.median(side) for side in zip(*pairs, strict=True))
    return [
        ("holdfast --help / a bare interpreter (CPU)", helped / empty, None),
        ("holdfast --help, CPU seconds", helped, 0.15),
    ]


def _cpu_s(command: list[str]) -> float:
    """User and system seconds of a command, read just before it is reaped."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watched, seconds = psutil.Process(process.pid), 0.0
    while watched.status() != psutil.STATUS_ZOMBIE:
        seconds = sum(watched.cpu_times()[:2])
        time.sleep(0.001)
    seconds = max(seconds, sum(watched.cpu_times()[:2]))
    process.wait()
    return seconds


if __name__ == "__main__":
    print(main())
