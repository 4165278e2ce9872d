"""What falls short is told with its line, and nothing else falls short."""

from pathlib import Path

import pytest

from holdfast.report import Checked, check_report, parse_report
from tests.reports import PNG, question, report


def checked(text: str, folder: Path = Path("/nowhere")) -> Checked:
    return check_report(parse_report(text), folder)


def kinds(text: str, folder: Path = Path("/nowhere")) -> list[list[str]]:
    return [[it.kind for it in verdict.problems] for verdict in checked(text, folder).verdicts]


def test_a_report_that_answers_everything_passes() -> None:
    found = checked(report(["one two", "one two three four five"]))

    assert found.passed
    assert [verdict.answered for verdict in found.verdicts] == [True, True]
    assert not found.notes


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("one", "1 word of 2 to 5: 1 too few"),
        ("1 2 3 4 5 6 7", "7 words of 2 to 5: 2 too many"),
        ("", "not answered"),
        ("--- question 1 fill here ---", "not answered: the placeholder is left"),
        ("TODO", "not answered"),
        ("It runs TODO", "a draft mark is left: TODO"),
        ("It runs. question 1 fill here", "a placeholder is left: question 1 fill here"),
        ("It runs. ADD MORE", "a note is left: ADD MORE"),
    ],
)
def test_an_answer_that_falls_short_is_told(answer: str, text: str) -> None:
    verdict = checked(report([answer])).verdicts[0]

    assert text in [it.text for it in verdict.problems]
    assert all(it.line == verdict.question.answer_line for it in verdict.problems)
    assert not checked(report([answer])).passed


def test_nothing_needs_to_be_answered_where_nothing_is_asked_for() -> None:
    length = "Answer length: 0-20 words."

    assert kinds(report(["", "--- question 2 fill here ---"], length=length)) == [[], ["unanswered"]]
    assert [it.answered for it in checked(report(["", "x"], length=length)).verdicts] == [False, True]


def test_the_words_of_a_placeholder_count_as_the_template_counts_them() -> None:
    verdict = checked(report(["--- question 1 fill here ---"])).verdicts[0]

    assert (verdict.question.words, verdict.within_limits, verdict.answered) == (6, False, False)


@pytest.mark.parametrize("answer", ['It is <img src="a.png">', "It is ![a][one]\n\n[one]: a.png"])
def test_pictures_that_the_template_does_not_count_are_none_and_it_says_so(answer: str) -> None:
    verdict = checked(question(1, answer, asks="Upload 1-2 images.", length="")).verdicts[0]

    (problem,) = verdict.problems
    way = "only `![text](file)` is counted, and line 10 shows one in another way"
    assert (problem.text, problem.line) == (f"0 images of 1 to 2: {way}", 10)


def test_a_picture_whose_name_has_a_space_is_text_to_readers(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(PNG)

    spaced = question(1, "![x](a b.png)", asks="Upload 1-2 images.", length="")
    (problem,) = checked(spaced, tmp_path).verdicts[0].problems
    assert problem.text == "a b.png has a space and no < > around it: readers see its text"
    assert checked(spaced.replace("(a b.png)", "(<a b.png>)"), tmp_path).passed


def test_pictures_that_are_only_linked_are_none_and_it_says_so() -> None:
    verdict = checked(question(1, "[a](a.png)\n[b](b.png)", asks="Upload 1-2 images.", length="")).verdicts[0]

    assert verdict.question.images == 0
    assert [it.text for it in verdict.problems] == [
        "0 images of 1 to 2: without the `!` that shows them, pictures are only linked in lines 10 and 11"
    ]
    assert verdict.notes == ()


@pytest.mark.parametrize(
    ("target", "problems", "notes"),
    [
        ("a.png", [], []),
        ("b.png", ["image-missing"], []),
        ("a.gif", ["image-format"], []),
        ("text.jpg", ["image-damaged"], []),
        ("figures/a.png", [], ["image-elsewhere"]),
        ("https://example.org/a.png", [], ["image-remote"]),
        ("../a.png", [], ["image-outside"]),
    ],
)
def test_a_picture_is_looked_for(target: str, problems: list[str], notes: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    (tmp_path / "text.jpg").write_text("text")

    verdict = checked(question(1, f"![]({target})", asks="Upload one image.", length=""), tmp_path).verdicts[
        0
    ]

    assert [it.kind for it in verdict.problems] == problems
    assert [it.kind for it in verdict.notes] == notes
    assert verdict.within_limits


def test_a_heading_that_is_missing_is_told_with_where_its_text_is() -> None:
    text = report(["a b", "c d", "e f"]).replace("### Question 2\n", "")

    found = checked(text)

    (problem,) = found.problems
    lost = found.verdicts[1].question
    assert problem.kind == "heading-missing"
    assert problem.text == (
        f"the heading `### Question 2` is missing: its text stands in lines {lost.line} to {lost.end_line}, "
        "after the answer to question 1"
    )
    assert not found.passed


def test_a_question_that_is_gone_altogether_is_told() -> None:
    found = checked(question(1, "a b") + question(3, "c d"))

    assert [it.text for it in found.problems] == [
        "the heading `### Question 2` is missing, and its text was not found"
    ]


def test_a_heading_that_stands_twice_is_told_with_its_lines() -> None:
    found = checked(question(1, "a b") + question(2, "c d") + question(1, "longer words"))

    assert [it.text for it in found.problems] == ["the heading `### Question 1` stands twice: lines 1 and 25"]


def test_a_heading_of_the_wrong_number_is_told_with_the_right_one() -> None:
    found = checked(report(["a b", "c d", "e f"]).replace("### Question 2", "### Question 1"))

    (problem,) = found.problems
    assert (
        problem.text
        == f"the second heading `### Question 1`, in line {problem.line}, is taken for question 2"
    )


def test_a_block_of_code_that_never_ends_is_told() -> None:
    found = checked(report(["see\n```\nrun", "a b"]))

    assert [it.kind for it in found.problems] == ["code"]


def test_dashes_around_an_answer_are_a_note() -> None:
    verdict = checked(report(["--- it runs ---"])).verdicts[0]

    assert verdict.problems == ()
    assert [it.kind for it in verdict.notes] == ["dashes"]


def test_a_report_of_no_known_template_is_not_held_against_one() -> None:
    assert checked(report(["a b"] * 27)).generation is None


def test_pictures_beyond_a_thousand_are_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.report.check._PICTURES", 2)
    answer = " ".join(f"![]({name}.png)" for name in "abc")

    verdict = checked(question(1, answer, asks="Upload 1-3 images.", length=""), tmp_path).verdicts[0]

    assert [it.state for it in verdict.files] == ["missing", "missing", "unseen"]
    assert [it.kind for it in verdict.notes] == ["image-unseen"]


def test_of_very_many_leftovers_the_first_are_told() -> None:
    verdict = checked(report(["TODO x " * 1000])).verdicts[0]

    assert [it.kind for it in verdict.problems] == ["draft"] * 50 + ["words"]
