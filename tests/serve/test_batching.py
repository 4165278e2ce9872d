"""Items join in batches, and no item harms another."""

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from holdfast.core.errors import InputError
from holdfast.serve.batching import Batcher, BusyError
from holdfast.serve.engine import Engine, Predictions


class SlowEngine:
    """Doubles small numbers; notes what ran together, and stops at a gate. Not the real engine: that
    cannot be made to wait or to fail at a chosen moment."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.runs: list[list[int]] = []
        self.held = threading.Event()

    def decode(self, data: bytes) -> np.ndarray:
        if data == b"bad":
            raise InputError("bad item")
        return np.array([[int(data)]])

    def predict_parts(self, decoded: Sequence[np.ndarray]) -> Predictions:
        values = [int(sample[0, 0]) for sample in decoded]
        self.runs.append(values)
        self.held.set()
        assert self.gate.wait(20)
        if 13 in values:
            raise RuntimeError("the graph does not like 13")
        rows = np.array([[value * 2.0] for value in values])
        return Predictions(rows, rows, [row[None] for row in rows])


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine()


def batcher(engine: SlowEngine, **settings: float) -> Batcher:
    real: Engine = engine  # type: ignore[assignment]
    return Batcher(real, **{"workers": 1, "batch": 4, **settings})  # type: ignore[arg-type]


def items(*values: int) -> list[bytes]:
    return [str(value).encode() for value in values]


def test_items_that_wait_go_together_up_to_a_batch(engine: SlowEngine) -> None:
    it = batcher(engine)
    first = it.submit(items(0))
    engine.held.wait(20)

    later = [future for value in range(1, 7) for future in it.submit(items(value))]
    engine.gate.set()

    assert [future.result(20).probabilities[0] for future in first + later] == [0, 2, 4, 6, 8, 10, 12]
    assert engine.runs == [[0], [1, 2, 3, 4], [5, 6]]
    it.close()


def test_an_item_waits_for_others_as_long_as_it_is_told(engine: SlowEngine) -> None:
    engine.gate.set()
    it = batcher(engine, wait_s=20, batch=2)

    first = it.submit(items(1))
    time.sleep(0.05)
    second = it.submit(items(2))  # now the batch is full, so nobody waits any longer

    assert [future.result(10).probabilities[0] for future in first + second] == [2, 4]
    assert engine.runs == [[1, 2]]
    it.close()


def test_what_is_wrong_with_one_item_does_not_harm_the_others(engine: SlowEngine) -> None:
    engine.gate.set()
    it = batcher(engine)

    one, bad, thirteen, four = it.submit([b"1", b"bad", b"13", b"4"])

    assert one.result(20).probabilities[0] == 2
    assert four.result(20).probabilities[0] == 8
    with pytest.raises(InputError, match="bad item"):
        bad.result(20)
    with pytest.raises(RuntimeError, match="13"):
        thirteen.result(20)
    it.close()


def test_a_full_queue_takes_no_more_until_there_is_room(engine: SlowEngine) -> None:
    it = batcher(engine, capacity=3)
    running = it.submit(items(0))
    engine.held.wait(20)
    waiting = it.submit(items(1, 2))

    with pytest.raises(BusyError, match="2 items are waiting already") as refused:
        it.submit(items(3, 4))
    assert 1 <= refused.value.retry_s <= 60

    waiting[0].cancel()  # its client went away: that makes room
    after = it.submit(items(3, 4))
    engine.gate.set()
    assert [future.result(20).probabilities[0] for future in [*running, waiting[1], *after]] == [0, 4, 6, 8]
    assert engine.runs == [[0], [2, 3, 4]]
    it.close()


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits(engine: SlowEngine) -> None:
    engine.gate.set()
    it = batcher(engine, capacity=2)

    assert len([future.result(20) for future in it.submit(items(*range(5)))]) == 5
    it.close()


def test_what_waits_is_finished_before_the_end(engine: SlowEngine) -> None:
    it = batcher(engine)
    futures = [future for value in range(6) for future in it.submit(items(value))]

    closing = threading.Thread(target=it.close)
    closing.start()
    engine.gate.set()
    closing.join(20)

    assert all(future.done() for future in futures)
    with pytest.raises(BusyError, match="stopping"):
        it.submit(items(1))


def test_idle_workers_share_what_waits(engine: SlowEngine) -> None:
    it = batcher(engine, workers=2, batch=8)
    time.sleep(0.1)  # until both wait

    futures = it.submit(items(*range(8)))
    while len(engine.runs) < 2:
        time.sleep(0.01)
    engine.gate.set()

    assert sorted(future.result(20).probabilities[0] for future in futures) == [2 * it for it in range(8)]
    assert sorted(engine.runs) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    it.close()
