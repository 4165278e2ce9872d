"""The cores that are counted are those that a container leaves."""

import os
from pathlib import Path

import pytest

from holdfast.core import cores as module
from holdfast.core.cores import cores, quota

NONE = float("inf")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        ({}, NONE),
        ({"cpu.max": "max 100000\n"}, NONE),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3.0),  # a limit above counts
        ({"a/b/cpu.max": "50000 100000", "a/cpu.max": "300000 100000"}, 0.5),
        ({"a/c/cpu.max": "50000 100000"}, NONE),  # somebody else's
        ({"a/b/cpu.max": "rubbish"}, NONE),
    ],
)
def test_the_tightest_limit_above_a_process_counts(
    tmp_path: Path, limits: dict[str, str], allowed: float
) -> None:
    write(tmp_path / "own", "0::/a/b\n")
    for name, text in limits.items():
        write(tmp_path / "groups" / name, text)

    assert quota(tmp_path / "groups", tmp_path / "own") == allowed


@pytest.mark.parametrize(("microseconds", "allowed"), [("-1", NONE), ("250000", 2.5)])
def test_control_groups_of_the_first_version_are_read_too(
    tmp_path: Path, microseconds: str, allowed: float
) -> None:
    write(tmp_path / "own", "12:memory:/x\n4:cpu,cpuacct:/pod\n0::/\n")
    write(tmp_path / "groups/cpu/pod/cpu.cfs_quota_us", f"{microseconds}\n")
    write(tmp_path / "groups/cpu/pod/cpu.cfs_period_us", "100000\n")

    assert quota(tmp_path / "groups", tmp_path / "own") == allowed


def test_where_there_are_no_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert quota(tmp_path, tmp_path / "nothing") == NONE


@pytest.mark.parametrize(("limit", "found"), [(0.4, 1), (1.9, 1), (NONE, None)])
def test_whole_cores_are_counted_and_at_least_one(
    limit: float, found: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    monkeypatch.setattr(module, "quota", lambda: limit)

    assert cores() == (found or there)
