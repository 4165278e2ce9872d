"""Items join in batches, and no item harms another."""

import gc
import threading
import time
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from holdfast.core.errors import InputError
from holdfast.serve.batching import Batcher, BusyError
from holdfast.serve.curve import Curve
from holdfast.serve.engine import Engine, Predictions


class SlowEngine:
    """Doubles small numbers; notes what ran together, and stops at a gate. Not the real engine: that
    cannot be made to wait or to fail at a chosen moment."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.runs: list[list[int]] = []
        self.alone: list[bool | None] = []
        self.held = threading.Event()
        self.delay_s = 0.0

    def decode(self, data: bytes) -> np.ndarray:
        if data == b"bad":
            raise InputError("bad item")
        return np.array([[int(data)]])

    def labels_of(self, probabilities: np.ndarray) -> list[list[str]]:
        return [["double"] for _ in probabilities]

    def predict_parts(self, decoded: Sequence[np.ndarray], *, alone: bool | None = None) -> Predictions:
        values = [int(sample[0, 0]) for sample in decoded]
        self.runs.append(values)
        self.held.set()
        assert self.gate.wait(20)
        time.sleep(self.delay_s)
        if 13 in values:
            raise RuntimeError("the graph does not like 13")
        self.alone.append(alone)
        rows = np.array([[value * 2.0] for value in values])
        return Predictions(rows, rows, [row[None] for row in rows])


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine()


def batcher(engine: SlowEngine, most: int = 4, **settings: float) -> Batcher:
    real: Engine = engine  # type: ignore[assignment]
    return Batcher(real, curve=Curve(most), **{"workers": 1, **settings})  # type: ignore[arg-type]


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


def test_nothing_is_joined_where_that_does_not_pay(engine: SlowEngine) -> None:
    it = batcher(engine, most=1)
    engine.gate.set()

    assert [future.result(20).probabilities[0] for future in it.submit(items(1, 2, 3))] == [2, 4, 6]
    assert engine.runs == [[1], [2], [3]]
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
    it = batcher(engine, capacity=4)
    running = it.submit(items(0))
    engine.held.wait(20)
    waiting = it.submit(items(1, 2))

    with pytest.raises(BusyError, match="3 items are waiting already") as refused:
        it.submit(items(3, 4))
    assert 1 <= refused.value.retry_s <= 60

    waiting[0].cancel()  # its client went away: that makes room
    after = it.submit(items(3, 4))
    engine.gate.set()
    assert [future.result(20).probabilities[0] for future in [*running, waiting[1], *after]] == [0, 4, 6, 8]
    assert engine.runs == [[0], [2, 3, 4]]
    assert it.idle
    it.close()


def test_what_would_wait_longer_than_promised_is_refused_at_once(engine: SlowEngine) -> None:
    engine.delay_s = 0.05
    engine.gate.set()
    it = batcher(engine, most=1, promise_s=0.5)
    it.submit(items(0))[0].result(20)  # now it knows how long one takes

    taken = [it.submit(items(value)) for value in range(1, 8)]
    with pytest.raises(BusyError, match=r"waiting already, for 0\.\d s"):
        [it.submit(items(value)) for value in range(10, 20)]
    with pytest.raises(BusyError):
        it.check()

    assert [future.result(20).probabilities[0] for (future,) in taken] == [2 * it for it in range(1, 8)]
    it.check()
    it.close()


def test_what_has_waited_too_long_is_given_up_but_not_what_was_begun(engine: SlowEngine) -> None:
    it = batcher(engine, most=1, promise_s=0.2)
    begun = it.submit(items(1, 2))
    engine.held.wait(20)
    late = it.submit(items(3))

    time.sleep(0.3)
    engine.gate.set()

    assert [future.result(20).probabilities[0] for future in begun] == [2, 4]
    with pytest.raises(BusyError, match=r"waited for 0\.2 s"):
        late[0].result(20)
    assert engine.runs == [[1], [2]]
    it.close()


def test_what_is_asked_in_the_background_lets_all_others_go_first(engine: SlowEngine) -> None:
    it = batcher(engine, most=1, promise_s=0.2)
    first = it.submit(items(0))
    engine.held.wait(20)
    behind = it.submit(items(1, 2), background=True)
    ahead = it.submit(items(3, 4))

    engine.gate.set()

    assert [future.result(20).probabilities[0] for future in [*first, *behind, *ahead]] == [0, 2, 4, 6, 8]
    assert engine.runs == [[0], [3], [4], [1], [2]]
    it.close()


def test_what_waits_in_the_background_keeps_nobody_else_out(engine: SlowEngine) -> None:
    it = batcher(engine, most=1, capacity=4)
    first = it.submit(items(0))
    engine.held.wait(20)
    behind = it.submit(items(1, 2, 3), background=True)
    with pytest.raises(BusyError, match="4 items are waiting"):
        it.submit(items(4), background=True)

    ahead = it.submit(items(5, 6, 7))
    behind[0].cancel()
    engine.gate.set()

    assert [future.result(20).probabilities[0] for future in [*first, *ahead, *behind[1:]]] == [
        0,
        10,
        12,
        14,
        4,
        6,
    ]
    assert it.idle
    assert it._behind == 0
    it.close()


def test_decoded_items_are_taken_as_they_are(engine: SlowEngine) -> None:
    engine.gate.set()
    it = batcher(engine)

    (answer,) = it.submit([np.array([[21], [21]])])

    assert answer.result(20).probabilities[0] == 42
    it.close()


def test_texts_of_like_length_go_together_within_so_many_tokens(engine: SlowEngine) -> None:
    it = batcher(engine, workers=1)
    it.curve = Curve(most=8, tokens=12)
    first = it.submit(items(0))
    engine.held.wait(20)

    texts = [np.full((1, length), length) for length in (3, 11, 4, 3, 3, 12)]
    futures = it.submit(texts)
    engine.gate.set()

    assert [future.result(20).probabilities[0] for future in futures] == [6, 22, 8, 6, 6, 24]
    assert all(len(run) * max(run) <= 12 for run in engine.runs)
    assert [3, 3, 4] in [sorted(run) for run in engine.runs]
    first[0].result(20)
    it.close()


def test_only_what_is_alone_gets_all_cores(engine: SlowEngine) -> None:
    engine.gate.set()
    it = batcher(engine, most=1)

    it.submit(items(1))[0].result(20)
    assert engine.alone == [True]

    for future in it.submit(items(1, 2, 3)):
        future.result(20)
    assert engine.alone == [True, False, False, True]
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
    it = batcher(engine, workers=2, most=8)
    time.sleep(0.1)  # until both wait

    futures = it.submit(items(*range(8)))
    while len(engine.runs) < 2:
        time.sleep(0.01)
    engine.gate.set()

    assert sorted(future.result(20).probabilities[0] for future in futures) == [2 * it for it in range(8)]
    assert sorted(engine.runs) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    it.close()


def test_what_was_decoded_is_gone_once_it_is_answered(engine: SlowEngine) -> None:
    made: list[weakref.ref[np.ndarray]] = []

    def decode(data: bytes) -> np.ndarray:
        sample = np.array([[int(data)]])
        made.append(weakref.ref(sample))
        return sample

    engine.decode = decode  # type: ignore[method-assign]
    engine.gate.set()
    it = batcher(engine)
    gc.disable()  # a recording may be decoded to 100 MB: it cannot wait for the collector
    try:
        futures = it.submit(items(1, 2))
        assert [future.result(20).probabilities[0] for future in futures] == [2, 4]
        it.close()
        assert [sample() for sample in made] == [None, None]
    finally:
        gc.enable()
