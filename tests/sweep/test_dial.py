import math

import pytest

from holdfast.sweep.dial import Dial


def test_a_choice_is_drawn_as_json_so_that_one_and_true_differ() -> None:
    dial = Dial("a", "choice", choices=(1, True, 1.0, None, "x", [1, 2]))

    drawn = [dial.drawn(choice) for choice in dial.choices]

    assert len(set(drawn)) == 6
    assert [dial.value(one) for one in drawn] == [1, True, 1.0, None, "x", [1, 2]]


def test_a_whole_number_stays_one() -> None:
    dial = Dial("train.batch", "int", 16, 64, log=True)

    assert [type(value) for value in dial.ends()] == [int, int]
    assert dial.grid() is None


def test_steps_give_the_values_that_were_written() -> None:
    assert Dial("a", "float", 0.1, 0.5, step=0.1).grid() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert Dial("a", "int", 1, 3).grid() == [1, 2, 3]
    assert Dial("a", "float", 0, 1).grid() is None


def test_a_normal_dial_has_the_quantiles_of_its_distribution() -> None:
    from scipy.stats import norm

    dial = Dial("a", "normal", 2.0, 0.5)

    assert dial.value(0.5) == pytest.approx(2.0)
    assert dial.value(0.975) == pytest.approx(norm(2.0, 0.5).ppf(0.975))
    assert dial.ends() == pytest.approx(list(norm(2.0, 0.5).ppf([0.001, 0.999])))
    assert Dial("a", "normal", 2.0, 0.5, log=True).value(0.5) == pytest.approx(math.exp(2.0))


def test_a_value_is_rounded_after_it_was_drawn() -> None:
    assert Dial("a", "float", 0.01, 1, log=True, round_to=0.05).value(0.13) == pytest.approx(0.15)


def test_reads_back_what_it_writes() -> None:
    for dial in (Dial("a", "choice", choices=("x", 2)), Dial("b", "float", 1e-5, 1e-2, log=True)):
        assert Dial.from_json(dial.to_json()) == dial
