"""What was meant to go is found, and nothing else is taken for it."""

import pytest

from holdfast.report.marks import marks_of, remains


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("--- question 23 fill here ---", "placeholder", "--- question 23 fill here ---"),
        ("It runs. question 4 fill here", "placeholder", "question 4 fill here"),
        ("We ran it; fill in here", "placeholder", "fill in here"),
        ("Student sXXXXXX did it", "placeholder", "sXXXXXX"),
        ("It runs. TODO more", "draft", "TODO"),
        ("FIXME: is this so?", "draft", "FIXME"),
        ("It took XXX hours", "draft", "XXX"),
        ("todo: numbers", "draft", "todo:"),
        ("and so on. ADDD MORE", "shouted", "ADDD MORE"),
        ("***FJERN DETTE HVIS IKKE VI NÅR FÆRDIG***", "shouted", "FJERN DETTE HVIS IKKE VI NÅR FÆRDIG"),
        ("PLEASE WRITE THIS AGAIN, ANNA", "shouted", "PLEASE WRITE THIS AGAIN, ANNA"),
    ],
)
def test_what_was_left_is_found(text: str, kind: str, found: str) -> None:
    assert [(it.kind, it.text, it.line) for it in marks_of(["x", text], [False, False], first=4)] == [
        (kind, found, 5)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "We use GCP, AWS, DVC, CI and CD on a VM with an API",
        "NVIDIA CUDA GPU",
        "an HTTP POST or DELETE",
        "set `TODO_LIST` and `FIXME`",
        "[the list](https://example.org/TODO)",
        "https://example.org/XXX",
        "I AM",
        "a to-do list, question 3 is filled",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert marks_of([text], [False], first=1) == ()


def test_code_holds_no_reminders_but_may_hold_a_placeholder() -> None:
    lines = ["# TODO later", "--- question 1 fill here ---"]

    assert [it.kind for it in marks_of(lines, [True, True], first=1)] == ["placeholder"]


@pytest.mark.parametrize(
    "answer", ["", "--- question 1 fill here ---", "TODO", "---", "<!-- ours -->", "...", "**-**"]
)
def test_nothing_remains_of_no_answer(answer: str) -> None:
    assert remains(answer) == ""


@pytest.mark.parametrize(
    "answer", ["54", "--- 54 ---", "![](a.png)", "```\nrun\n```", "x question 1 fill here"]
)
def test_something_remains_of_an_answer(answer: str) -> None:
    assert remains(answer)
