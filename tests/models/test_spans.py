"""Spans of bytes as numbers: equal spans have equal numbers, wherever they stand, in torch and in Python."""

import itertools
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.models.spans import NOTHING, Spans, neighbours

SPANS = Spans(256)


def batch(*texts: str) -> torch.Tensor:
    rows = [list(text.encode()) for text in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [NOTHING] * (longest - len(row)) for row in rows])


def words(text: str) -> list[str]:
    _, starts, ends = SPANS.words(batch(text))
    data = text.encode()
    return [data[a:b].decode() for a, b in zip(starts[0].tolist(), ends[0].tolist(), strict=True) if a < b]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat, 2 dogs", ["The", "cat", ",", "2", "dogs"]),
        ("don't", ["don", "'", "t"]),
        ("don’t “stop”", ["don", "’", "t", "“", "stop", "”"]),
        ("naïve café", ["naïve", "café"]),
        ("北京 ok", ["北", "京", "ok"]),
        (" \n a\tb ", ["a", "b"]),
    ],
)
def test_words_are_words_and_marks_are_words_too(text: str, expected: list[str]) -> None:
    assert words(text + " " * len(text)) == expected


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="abAB .,", min_size=1, max_size=60))
def test_words_are_those_of_a_regular_expression_and_their_numbers_tell_them_apart(text: str) -> None:
    padded = batch(text + " " * len(text))
    expected = re.findall(r"\w+|[^\w\s]", text)

    numbers, starts, _ = SPANS.words(padded)
    pairs, there = neighbours(numbers, starts < padded.shape[1], 2)

    assert words(text + " " * len(text)) == expected
    assert len(set(numbers[0, : len(expected)].tolist())) == len(set(expected))
    couples = list(itertools.pairwise(expected))
    assert there.sum() == len(couples)
    assert len(set(pairs[there].tolist())) == len(set(couples))


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="abAé京 ", min_size=1, max_size=40), st.sampled_from([1, 3, 5]))
def test_runs_are_of_characters_and_do_not_mind_case(text: str, size: int) -> None:
    lower = text.replace("A", "a")
    expected = [lower[place : place + size] for place in range(len(lower) - size + 1)]

    ((numbers, there),) = SPANS.runs(batch(text, "x" * 50), (size,))

    found = numbers[0][there[0]].tolist()
    assert len(found) == len(expected)
    assert [found.index(number) for number in found] == [expected.index(run) for run in expected]


def test_the_same_word_has_the_same_number_in_another_place() -> None:
    first, second = SPANS.words(batch("tide and tide", "so the tide  "))[0]

    assert first[0] == first[2] == second[2] != first[1]
