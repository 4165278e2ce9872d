"""CPU time of `holdfast --help` against that of a bare interpreter."""

import os
import statistics
import subprocess
import sys

_RUNS = 10


def main() -> list[tuple[str, float, float | None]]:
    if not hasattr(os, "wait4"):  # Windows counts no times of a child that has ended
        return []
    command = [sys.executable, "-m", "holdfast", "--help"]
    bare = [sys.executable, "-c", "pass"]
    pairs = [(_cpu_s(command), _cpu_s(bare)) for _ in range(_RUNS)]
    helped, empty = (statistics.median(side) for side in zip(*pairs, strict=True))
    return [
        ("holdfast --help / a bare interpreter (CPU)", helped / empty, None),
        ("holdfast --help, CPU seconds", helped, 0.15),
    ]


def _cpu_s(command: list[str]) -> float:
    """User and system seconds of a command, as the operating system counted them."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(main())
