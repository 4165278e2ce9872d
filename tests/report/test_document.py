"""A report is read as people leave it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.errors import DataError
from holdfast.report import Item, Span, parse_report, read_report
from tests.reports import question, report


def test_a_question_is_read_with_what_it_asks_and_where_it_stands() -> None:
    read = parse_report(report(["A small model."]))

    found = read.questions[0]
    assert (found.number, found.title, found.section) == (1, "What runs?", "Facts")
    assert (found.answer, found.words, found.limits.words) == ("A small model.", 3, Span(2, 5))
    lines = read.text.split("\n")
    assert lines[found.line - 1] == "### Question 1"
    assert lines[found.answer_line - 1] == lines[found.end_line - 1] == "A small model."
    assert lines[found.prompt[0][0] - 1] == "> **What runs?**"
    assert (found.heading, found.marked, found.others) == ("there", True, ())


def test_the_checklist_is_read_with_its_boxes() -> None:
    read = parse_report(report(["one two"]))

    assert read.checklist == (
        Item("Write tests", True, 5, "Week 1", ("M16",)),
        Item("Set alarms", False, 6, "Week 1", ("M28",)),
    )


def test_headings_and_code_within_an_answer_are_part_of_it() -> None:
    answer = "#### Running\n```bash\n### Question 2\n# a comment\nrun me\n```\n## Ours\nIt works"

    read = parse_report(report([answer, "one two"]))

    assert [it.number for it in read.questions] == [1, 2]
    assert read.questions[0].answer == answer
    assert read.questions[0].words == 16
    assert read.questions[0].code == (False, True, True, True, True, True, False, False)


def test_the_heading_of_the_next_section_is_no_part_of_an_answer() -> None:
    text = question(1, "one two") + "\n## Next\n\n> It is about this.\n\n" + question(2, "three four")

    read = parse_report(text)

    assert [(it.section, it.answer) for it in read.questions] == [("", "one two"), ("Next", "three four")]


def test_a_block_of_code_that_never_ends_hides_no_question() -> None:
    read = parse_report(report(["see\n```bash\nrun", "one two"]))

    assert [it.answer for it in read.questions] == ["see\n```bash\nrun", "one two"]
    assert [read.text.split("\n")[line - 1] for line in read.open_fences] == ["```bash"]


def test_nor_does_one_that_seems_to_end_in_a_later_answer() -> None:
    read = parse_report(report(["see\n```\nrun", "one two", "```\nrun me\n```"]))

    assert [it.number for it in read.questions] == [1, 2, 3]
    assert read.questions[2].code == (True, True, True)
    assert [read.questions[0].answer_line + 1] == list(read.open_fences)


def test_words_between_a_heading_and_its_question_are_no_answer() -> None:
    text = report(["a b", "c d"]).replace("### Question 1\n", "### Question 1\n\nBy the team.\n")

    read = parse_report(text)

    assert [(it.number, it.answer) for it in read.questions] == [(1, "a b"), (2, "c d")]
    assert read.stray_prompts == ()


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_question_without_its_heading_is_found_by_its_quoted_lines(place: int) -> None:
    text = report(["first here", "second here", "third here"]).replace(f"### Question {place}\n", "")

    read = parse_report(text)

    assert [it.number for it in read.questions] == [1, 2, 3]
    assert [it.answer for it in read.questions] == ["first here", "second here", "third here"]
    assert [it.heading == "missing" for it in read.questions] == [n == place for n in (1, 2, 3)]
    lost = read.questions[place - 1]
    assert read.text.split("\n")[lost.line - 1] == "> **What runs?**"


def test_two_questions_without_headings_are_found_too() -> None:
    text = (
        report(["a b", "c d", "e f", "g h"]).replace("### Question 2\n", "").replace("### Question 3\n", "")
    )

    read = parse_report(text)

    assert [(it.number, it.answer) for it in read.questions] == [
        (1, "a b"),
        (2, "c d"),
        (3, "e f"),
        (4, "g h"),
    ]


def test_a_second_heading_of_a_number_is_the_next_question_if_that_is_missing() -> None:
    text = report(["a b", "c d", "e f"]).replace("### Question 2", "### Question 1")

    read = parse_report(text)

    assert [(it.number, it.answer) for it in read.questions] == [(1, "a b"), (2, "c d"), (3, "e f")]
    assert [(number, given) for _, number, given in read.renumbered] == [(1, 2)]


def test_of_a_question_that_stands_twice_the_longer_answer_counts() -> None:
    text = question(1, "--- question 1 fill here ---") + question(2, "x y") + question(1, "our own words")

    read = parse_report(text)

    assert [(it.number, it.answer) for it in read.questions] == [(2, "x y"), (1, "our own words")]
    assert read.questions[1].others == (1,)


def test_a_heading_that_stands_twice_in_a_row_is_one_question() -> None:
    read = parse_report(report(["a b", "c d"]).replace("### Question 2", "### Question 2\n\n### Question 2"))

    assert [(it.number, it.answer, len(it.others)) for it in read.questions] == [(1, "a b", 0), (2, "c d", 1)]


def test_nor_is_it_the_next_one_where_that_lost_its_own() -> None:
    text = report(["a b", "c d", "e f", "g h"]).replace("### Question 3\n", "")

    read = parse_report(text.replace("### Question 2", "### Question 2\n### Question 2"))

    assert [(it.number, it.answer) for it in read.questions] == [
        (1, "a b"),
        (2, "c d"),
        (3, "e f"),
        (4, "g h"),
    ]


def test_a_question_pasted_into_an_answer_is_part_of_it() -> None:
    pasted = question(9, "and this").partition("\n\n")[2].strip()

    read = parse_report(report([f"words\n\n{pasted}", "c d"]))

    assert [it.number for it in read.questions] == [1, 2]
    assert read.questions[0].answer.endswith("and this")
    assert len(read.stray_prompts) == 1


@pytest.mark.parametrize("heading", ["## Question 2", "#### Question 2:", "### question 2 "])
def test_a_heading_that_was_changed_is_one_still(heading: str) -> None:
    read = parse_report(report(["a b", "c d"]).replace("### Question 2", heading))

    assert [(it.number, it.answer) for it in read.questions] == [(1, "a b"), (2, "c d")]


@pytest.mark.parametrize(
    ("mark", "answer"),
    [
        ("> Answer: ours", "ours"),
        ("> Answer:\n> ours", "> ours"),
        ("Answer:\nours", "ours"),
        ("> **Answer:**\nours", "ours"),
    ],
)
def test_an_answer_begins_after_its_mark_wherever_that_is(mark: str, answer: str) -> None:
    read = parse_report(question(1, "x y") + question(2, "").replace("> Answer:", mark))

    assert read.questions[1].answer.strip() == answer


def test_line_ends_of_any_kind_and_a_mark_of_bytes_make_no_difference() -> None:
    text = report(["a b", "c d"])

    assert parse_report("\ufeff" + text.replace("\n", "\r\n")).questions == parse_report(text).questions


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        ("### Question 1\n> Answer:\n\nn\xe4ive".encode("latin-1"), "is not UTF-8: byte 0xe4 in line 4"),
        (report(["a b"]).encode("utf-16"), "is not UTF-8"),
        (b"\x00" + report(["a b"]).encode(), "zero bytes"),
        (b"x" * 50_000_000, "has 50.0 MB"),
        (b"def main() -> None:\n    print('Question 1')\n", "no heading such as '### Question 1'"),
        (b"### Frage 1\n\n> Antwort:\n\nKeine.", "no heading such as '### Question 1'"),
        ("第一章\n\n从前有座山。".encode(), "no heading such as '### Question 1'"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_what_is_no_report_is_told(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "it.md").write_bytes(data)

    with pytest.raises(DataError) as caught:
        read_report(tmp_path / "it.md")

    assert message in caught.value.message
    assert caught.value.hint


def test_a_folder_is_told_with_the_report_in_it(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")

    with pytest.raises(DataError, match="is a folder") as caught:
        read_report(tmp_path)

    assert str(tmp_path / "README.md") in str(caught.value.hint)


@pytest.mark.parametrize(
    "part",
    [
        "```x\n",
        "![",
        "](",
        "> Answer:\n\n",
        "### Question 1\n",
        "### Question 1\n> Answer:\n",
        "-",
        "` ",
        "[ ",
        "* [ ",
        "<!--",
    ],
)
def test_a_hostile_text_is_read_in_one_pass(part: str) -> None:
    from holdfast.report import check_report

    text = report(["a b", part * (400_000 // len(part)), "c d"])

    assert check_report(parse_report(text), Path()).passed is False


PIECES = [
    *(
        "### Question 1",
        "### Question 2",
        "### Question 3",
        "## Part",
        "#### Question 2",
        "> **What?**",
        ">",
        "> Answer:",
    ),
    *(
        "> Answer: here",
        "Answer:",
        "> Answer length: 2-5 words",
        "",
        "words",
        "```",
        "```bash",
        "~~~",
        "![a](b.png)",
    ),
    *("--- question 1 fill here ---", "TODO", "* [x] box", "    more", "# title", "<!--", "-->"),
]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_however_its_lines_are_torn_each_answer_stands_where_it_says(lines: list[str]) -> None:
    from holdfast.report import check_report

    try:
        read = parse_report("\n".join(lines))
    except DataError:
        return

    numbers = [it.number for it in read.questions]
    assert len(set(numbers)) == len(numbers) > 0
    for it in read.questions:
        stands = lines[it.answer_line - 1 : it.end_line] if it.answer else []
        assert it.answer.split("\n")[1:] == stands[1:]
        assert len(it.code) == len(it.answer.split("\n")) or not it.answer
        assert 1 <= it.line <= it.end_line <= len(lines)
    check_report(read, Path("/nowhere"))
