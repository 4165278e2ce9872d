"""How many cores there are for us."""

import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cores() -> int:
    """The whole cores that this process may use: what a container or `taskset` leaves it, where that shows.

    A container with 1.5 cores has one: of two threads that run all the time each would be stopped for a
    while in every tenth of a second.

    >>> cores() >= 1
    True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(allowed, quota())))


def quota(groups: Path = _GROUPS, own: Path = _OWN) -> float:
    """The cores' worth of time that control groups leave us, on Linux; infinite where they set no limit.

    Neither the affinity nor `os.cpu_count` shows it, so libraries that ask those start too many threads.

    Args:
        groups: where control groups are mounted, of version 1 or 2.
        own: which of them this process is in, as the kernel writes it.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):  # another system
        return float("inf")
    found = [float("inf")]
    for _, kinds, path in (line for line in lines if len(line) == 3):
        if kinds and "cpu" not in kinds.split(","):
            continue
        top = groups / "cpu" if kinds else groups
        place = top / path.strip("/")
        for folder in (place, *place.parents):  # the tightest of those above counts too
            found.append(_limit(folder))
            if folder == top:
                break
    return min(found)


def _limit(folder: Path) -> float:
    """What one control group allows: microseconds of work in a period of so many microseconds."""
    try:
        if (folder / "cpu.max").exists():
            allowed, period = (folder / "cpu.max").read_text().split()
        else:
            allowed, period = (
                (folder / f"cpu.cfs_{part}_us").read_text().strip() for part in ("quota", "period")
            )
        return float(allowed) / float(period) if float(allowed) > 0 else float("inf")
    except (OSError, ValueError, ZeroDivisionError):  # "max", or nothing there
        return float("inf")
