"""Ids are unique and in order, whatever the clock does."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from holdfast.serve.ids import Ids, is_id, share_of, time_of


def test_ids_are_uuids_of_version_7_that_hold_the_time() -> None:
    (number,) = Ids(clock=lambda: 1_790_000_000_123_456_789).take(1)

    read = uuid.UUID(number)
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert time_of(number) == 1_790_000_000.123
    assert is_id(number)
    assert str(read) == number


def test_a_clock_that_is_set_back_changes_neither_order_nor_uniqueness() -> None:
    times = iter([5_000, 5_000, 4_000, 1, 5_001, 3])
    ids = Ids(clock=lambda: next(times) * 1_000_000)

    found = [number for _ in range(6) for number in ids.take(100)]

    assert found == sorted(found)
    assert len(set(found)) == 600
    assert [time_of(found[at]) for at in (0, 200, 300, 400, 500)] == [5.0, 5.0, 5.0, 5.001, 5.001]


def test_a_clock_that_stands_still_never_runs_out_of_ids() -> None:
    ids = Ids(clock=lambda: 7_000_000)
    ids.take(1)
    ids._count = (1 << 24) - 3  # 16 million later

    found = ids.take(6)

    assert found == sorted(set(found))
    assert [time_of(number) for number in found] == [0.007] * 2 + [0.008] * 4


def test_threads_and_processes_share_no_id() -> None:
    ids = Ids()
    with ThreadPoolExecutor(4) as pool:
        found = [number for some in pool.map(ids.take, [50] * 40) for number in some]
    same_moment = [Ids(clock=lambda: 9_000_000_000).take(1)[0] for _ in range(100)]  # as of 100 processes

    assert len(set(found)) == 2000
    assert len(set(same_moment)) == 100


def test_the_sample_of_ids_is_even() -> None:
    shares = [share_of(number) for number in Ids().take(4000)]

    assert 0 <= min(shares) < max(shares) < 1
    assert 300 < sum(share < 0.1 for share in shares) < 500
