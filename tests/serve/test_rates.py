"""How often callers may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.serve import rates as module
from holdfast.serve.rates import Allowance, Rates, TooManyError


def passes(rates: Rates, caller: str, allowed: Allowance, now_s: float) -> bool:
    try:
        rates.enter(caller, allowed, now_s)
    except TooManyError:
        return False
    rates.leave(caller)
    return True


@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(0, 20),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_in_no_span_of_time_more_pass_than_a_bucket_holds(
    rate: float, burst: int, pauses: list[float]
) -> None:
    rates, allowed, now_s = Rates(), Allowance(rate, burst), 0.0
    passed = []

    for pause in pauses:
        now_s += pause
        if passes(rates, "ann", allowed, now_s):
            passed.append(now_s)

    for first in range(len(passed)):
        for last in range(first, len(passed)):
            held = allowed.depth + rate * (passed[last] - passed[first])
            assert last - first + 1 <= held + 1e-6


@given(rate=st.floats(0.1, 50), burst=st.integers(0, 20), asked=st.integers(1, 40))
def test_who_comes_back_when_told_to_is_let_in(rate: float, burst: int, asked: int) -> None:
    rates, allowed, now_s = Rates(), Allowance(rate, burst), 0.0
    for _ in range(asked):
        try:
            rates.enter("ann", allowed, now_s)
        except TooManyError as error:
            now_s += error.retry_s
            rates.enter("ann", allowed, now_s)


def test_callers_do_not_share_a_bucket() -> None:
    rates, allowed = Rates(), Allowance(rate=1)

    assert [passes(rates, caller, allowed, 0.0) for caller in ("ann", "ann", "ben")] == [True, False, True]


def test_only_so_many_run_at_once() -> None:
    rates, allowed = Rates(), Allowance(concurrency=2)
    rates.enter("ann", allowed)
    rates.enter("ann", allowed)

    with pytest.raises(TooManyError, match="more than 2 requests at once"):
        rates.enter("ann", allowed)
    rates.leave("ann")

    rates.enter("ann", allowed)


def test_a_clock_that_is_set_back_lets_nobody_in_and_locks_nobody_out() -> None:
    rates, allowed = Rates(), Allowance(rate=1)
    rates.enter("ann", allowed, 100.0)

    assert not passes(rates, "ann", allowed, 50.0)
    assert passes(rates, "ann", allowed, 52.0)


def test_callers_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CALLERS", 10)
    rates, allowed = Rates(), Allowance(rate=1, concurrency=1)
    rates.enter("busy", allowed)

    for number in range(100):
        rates.enter(str(number), allowed)
        rates.leave(str(number))

    assert len(rates) == 10
    with pytest.raises(TooManyError):
        rates.enter("busy", allowed)


def test_the_message_says_what_the_limit_is() -> None:
    rates = Rates()
    rates.enter("ann", Allowance(rate=0.1), 0.0)

    with pytest.raises(TooManyError, match="more than one request in 10 seconds") as error:
        rates.enter("ann", Allowance(rate=0.1), 0.0)

    assert error.value.retry_s == 10
