"""Numbers stand for texts, and what must stay together is found."""

import numpy as np
import pyarrow
from hypothesis import given
from hypothesis import strategies as st

from holdfast.data.units import codes, first_rows, looked_up, ranks, texts, units_of

words = st.lists(st.text(alphabet="abé𝄞", max_size=2), max_size=30)
numbers = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(words, st.integers(1, 5))
def test_ranks_are_places_in_sorted_order_however_a_column_is_cut(values: list[str], chunk: int) -> None:
    cut = [pyarrow.array(values[at : at + chunk], pyarrow.string()) for at in range(0, len(values), chunk)]
    column = pyarrow.chunked_array(cut, pyarrow.string())

    places = {value: place for place, value in enumerate(sorted(set(values)))}

    assert ranks(column).tolist() == [places[value] for value in values]
    assert ranks(texts(sorted(values))).tolist() == sorted(places[value] for value in values)


@given(words)
def test_codes_are_equal_where_values_are(values: list[str]) -> None:
    first = list(dict.fromkeys(values))

    assert codes(texts(values)).tolist() == [first.index(value) for value in values]
    assert codes(texts(pyarrow.array(values, pyarrow.string()).dictionary_encode())).tolist() == [
        first.index(value) for value in values
    ]


def test_of_a_key_that_comes_twice_the_first_counts() -> None:
    found = looked_up(texts(["a", "b", "c"]), texts(["b", "a", "a"]), np.array([2, 0, 1], np.int8))

    assert found.tolist() == [0, 2, -1]


@given(numbers)
def test_units_share_neither_group_nor_digest_and_are_as_small_as_can_be(
    pairs: list[tuple[int, int]],
) -> None:
    digests, groups = (ranks(texts([str(pair[side]) for pair in pairs])) for side in range(2))

    units = units_of(digests, groups).tolist()

    reached = {n: {n} for n in range(len(pairs))}
    for _ in pairs:  # grow until nothing more is reached
        for n in reached:
            near = {
                m for k in reached[n] for m in reached if digests[k] == digests[m] or groups[k] == groups[m]
            }
            reached[n] |= near
    for n, unit in enumerate(units):
        assert {m for m, other in enumerate(units) if other == unit} == reached[n]


def test_the_first_row_of_a_unit_holds_its_smallest_digest() -> None:
    digests, units = np.array([3, 1, 2, 0]), np.array([0, 0, 1, 1])

    assert first_rows(digests, units, 2).tolist() == [1, 3]
