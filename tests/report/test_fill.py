"""Answers are put in their place, wherever a report leaves room for them."""

import pytest

from holdfast.report import Limits, parse_report
from holdfast.report.draft import Composed, Draft, FileLine, Sentence, compose, quoted
from holdfast.report.fill import Open, fill

_HEAD = "### Question 1\n> **What?**\n>\n> Answer:"
_NEXT = "### Question 2\n> **Who?**\n>\n> Answer:\n\nWe two.\n"


def composed(text: str = "One small model.") -> Composed:
    line = FileLine("a.py", 3, "model = Net()")
    found = compose(Draft((Sentence(text, (line,)),)), Limits(), "q1-")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "end", ["\n", "\n\n", "\n\n\n\n", " --- question 1 fill here ---\n\n", "\n\nTODO\n\n"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_an_answer_stands_under_its_own_question(end: str, newline: str) -> None:
    text = f"{_HEAD}{end}{_NEXT}".replace("\n", newline)

    filled = fill(parse_report(text), {1: composed()})

    first, second = parse_report(filled).questions
    assert (first.answer, second.answer) == ("One small model.[^q1-1]", "We two.")
    assert filled.endswith(_NEXT.replace("\n", newline))
    assert filled.index("[^q1-1]:") < filled.index("### Question 1")


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n--- question 2 fill here ---"])
def test_the_last_question_is_answered_too(end: str) -> None:
    text = (
        "### Question 1\n> **What?**\n>\n> Answer:\n\nIt.\n\n### Question 2\n> **Who?**\n>\n> Answer:" + end
    )

    filled = fill(parse_report(text), {2: composed()})

    first, second = parse_report(filled).questions
    assert (first.answer, second.answer) == ("It.", "One small model.[^q1-1]")
    assert second.words == 3


def test_an_answer_that_is_there_is_not_touched() -> None:
    text = f"{_HEAD}\n\nWe  did.\n\n{_NEXT}"

    assert fill(parse_report(text), {1: composed(), 2: Open("who you are")}) == text


def test_what_is_left_to_people_cannot_end_its_comment() -> None:
    filled = fill(parse_report(f"{_HEAD}\n\n{_NEXT}"), {1: Open("this --> and that")})

    assert "this  and that" in filled
    assert filled.count("-->") == 1


def test_whole_sentences_are_left_out_until_it_fits() -> None:
    line = FileLine("a.py", 3, "x")
    long, short = Sentence("word " * 8 + "end.", (line,)), Sentence("Short one.", (line,))
    limits = (
        parse_report("### Question 1\n> **What?**\n> Answer length: 2-5 words\n> Answer:\n")
        .questions[0]
        .limits
    )

    found = compose(Draft((long, short)), limits, "q1-")

    assert found is not None
    assert (found.text, found.words, found.state) == ("Short one.[^q1-1]", 2, "drafted")
    assert compose(Draft((long,)), limits, "q1-") is None


def test_a_label_that_is_taken_is_not_used_again() -> None:
    line = FileLine("a.py", 3, "x")

    found = compose(Draft((Sentence("One.", (line,)),)), Limits(), "q1-", "see[^q1-1]")

    assert found is not None
    assert found.text == "One.[^q1-2]"


def test_a_sentence_without_evidence_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="a sentence without evidence"):
        Sentence("We were great.", ())


@pytest.mark.parametrize("text", ["a\nb", "```", "`", "x` <script>", "\x1b[31m", "https://me:secret@host/"])
def test_what_is_quoted_stays_one_line_of_code(text: str) -> None:
    shown = quoted(text)

    assert shown.isprintable()
    assert "secret" not in shown
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    assert shown.endswith(fence)
    assert fence not in shown[len(fence) : -len(fence)].strip(" ") or text == ""
