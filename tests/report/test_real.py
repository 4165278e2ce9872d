"""Five reports of two generations, as teams handed them in. The counts below were made by hand.

For each answer, its lines were found by reading and its words counted with `wc -w`. `!` means: not answered.
"""

from functools import cache

import pytest

from holdfast.report import Checked, check_report, parse_report, read_report
from tests.reports import REAL

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="needs the reports beside the checkout")

WORDS = {
    "000": "3 4 109 102 125 168 66 104 91 100 190 109 207 6! 127 "
    "6! 91 115 1 1 3 32 6! 6! 6! 6! 6! 6! 241 6! 6!",
    "001": "2 5 129 176 95 80 45 64 92 96 198 96 115 194 202 81 171 119 9 1 1 127 105 29 198 147 79",
    "002": "2 4 73 90 167 126 110 6! 113 94 6! 222 162 265 6! 65 6! 6! 52 2 3 6! 6! 6! 6! 86 6! 6! 6! 6! 39",
    "003": "1 5 46 76 64 70 31 84 86 91 93 159 111 4 67 70 140 145 35 32 9 194 62 43 18 31 90 60 55 39 34",
    "004": "4 5 114 118 125 85 70 120 115 118 225 67 101 204 133 119 95 100 7 3 4 132 146 69 153 191 97",
}
IMAGES = {  # by question; all others have none
    "000": {19: 1, 20: 1, 21: 1, 29: 1},
    "001": {14: 1, 19: 2, 20: 1, 21: 1, 25: 1},
    "002": {},
    "003": {14: 1, 19: 2, 20: 2, 21: 1, 29: 1},
    "004": {14: 3, 19: 2, 20: 1, 21: 1, 23: 3, 25: 1},
}
# The rules of each generation, as its questions state them: words, then pictures, where they are limited.
OLDER = {
    3: (100, 200), 4: (100, 200), 5: (100, 200), 6: (50, 100), 7: (50, 100), 8: (100, 200), 9: (100, 200),
    10: (100, 200), 11: (200, 300), 12: (50, 100), 13: (100, 200), 14: (200, 300, 1, 3), 15: (100, 200),
    16: (100, 200), 17: (50, 200), 18: (100, 200), 19: (0, 10**9, 1, 2), 20: (0, 10**9, 1, 1),
    21: (0, 10**9, 1, 1), 22: (100, 200), 23: (100, 200), 24: (25, 100), 25: (200, 400, 1, 1), 26: (200, 400),
    27: (50, 200),
}  # fmt: skip
NEWER = {
    3: (0, 200), 4: (100, 200), 5: (100, 200), 6: (100, 200), 7: (50, 100), 8: (100, 200), 9: (100, 200),
    10: (100, 200), 11: (200, 300), 12: (50, 100), 13: (100, 200), 14: (200, 300, 1, 3), 15: (100, 200),
    16: (100, 200), 17: (50, 200), 18: (100, 200), 19: (0, 10**9, 1, 2), 20: (0, 10**9, 1, 2),
    21: (0, 10**9, 1, 2), 22: (100, 200), 23: (100, 200), 24: (100, 200), 25: (100, 200), 26: (100, 200),
    27: (100, 200), 28: (0, 200), 29: (200, 400, 1, 1), 30: (200, 400), 31: (50, 300),
}  # fmt: skip
RULES = {
    "000": NEWER,
    "001": OLDER,
    "002": NEWER,
    "003": NEWER | {3: (100, 200), 31: (50, 200)},  # an earlier wording of two questions
    "004": OLDER,
}
TICKED = {"000": (7, 53), "001": (27, 36), "002": (41, 53), "003": (38, 52), "004": (28, 36)}


@cache
def checked(name: str) -> Checked:
    return check_report(read_report(next(REAL.glob(f"{name}_*"))), REAL)


@pytest.mark.parametrize("name", WORDS)
def test_words_images_and_what_is_not_answered_are_as_counted_by_hand(name: str) -> None:
    verdicts = checked(name).verdicts
    counts = WORDS[name].split()

    assert [it.question.number for it in verdicts] == list(range(1, len(counts) + 1))
    assert [f"{it.question.words}{'' if it.answered else '!'}" for it in verdicts] == counts
    images = {it.question.number: it.question.images for it in verdicts if it.question.images}
    assert images == IMAGES[name]
    assert checked(name).generation == len(counts)


@pytest.mark.parametrize("name", WORDS)
def test_each_verdict_is_that_of_the_templates_own_rules(name: str) -> None:
    expected = {}
    for number, count in enumerate(WORDS[name].split(), start=1):
        low, high, *images = RULES[name].get(number, (0, 10**9))
        shown = IMAGES[name].get(number, 0)
        fits = not images or images[0] <= shown <= images[1]
        expected[number] = low <= int(count.rstrip("!")) <= high and fits

    assert {it.question.number: it.within_limits for it in checked(name).verdicts} == expected


@pytest.mark.parametrize("name", WORDS)
def test_the_boxes_are_counted(name: str) -> None:
    boxes = read_report(next(REAL.glob(f"{name}_*"))).checklist

    assert (sum(it.ticked for it in boxes), len(boxes)) == TICKED[name]


def test_a_missing_heading_is_named_with_where_its_text_is() -> None:
    (problem,) = checked("000").problems

    assert problem.text.startswith(
        "the heading `### Question 9` is missing: its text stands in lines 238 to 249"
    )


def test_links_without_their_mark_are_told_and_headings_cut_no_answer() -> None:
    verdicts = {it.question.number: it for it in checked("002").verdicts}

    assert (verdicts[12].question.answer_line, verdicts[12].question.end_line) == (334, 431)
    assert "0 images of 1 to 3: without the `!`" in verdicts[14].problems[0].text
    for number in (14, 19, 20, 21):
        assert [it.kind for it in verdicts[number].problems] == ["images"]


def test_reminders_are_found() -> None:
    left = {
        it.question.number: [p.text for p in it.problems if p.kind == "shouted"]
        for it in checked("002").verdicts
    }

    assert [number for number, texts in left.items() if texts] == [10, 26]


def test_two_answers_fall_short_and_no_other() -> None:
    short = {
        it.question.number: [p.text for p in it.problems] for it in checked("004").verdicts if it.problems
    }

    assert short == {25: ["153 words of 200 to 400: 47 too few"], 26: ["191 words of 200 to 400: 9 too few"]}
    changed = [
        it.question.number for it in checked("004").verdicts if any(n.kind == "template" for n in it.notes)
    ]
    assert changed == [5]


@pytest.mark.parametrize("name", ["003", "004"])
def test_whichever_heading_is_missing_every_answer_is_found(name: str) -> None:
    text = next(REAL.glob(f"{name}_*")).read_text(encoding="utf-8")
    answers = [it.answer for it in parse_report(text).questions]

    for number in range(1, len(answers) + 1):
        torn = parse_report(text.replace(f"### Question {number}\n", ""))
        assert [it.answer for it in torn.questions] == answers
        assert [it.number for it in torn.questions if it.heading == "missing"] == [number]


@pytest.mark.parametrize("number", [1, 14, 30, 31])
def test_a_question_that_is_cut_out_is_missed(number: int) -> None:
    text = next(REAL.glob("003_*")).read_text(encoding="utf-8")
    lines = text.split("\n")
    cut = parse_report(text).question(number)
    assert cut
    kept = parse_report("\n".join([*lines[: cut.line - 1], *lines[cut.end_line :]]))

    found = check_report(kept, REAL)

    assert found.generation == 31
    assert [it.text for it in found.problems] == [
        f"the heading `### Question {number}` is missing, and its text was not found"
    ]


@pytest.mark.parametrize(
    ("old", "new", "kind", "falls_short"),
    [
        (
            "> Recommended answer length: 200-400 words.\n",
            "> Recommended answer length: 2-400 words.\n",
            "limits",
            True,
        ),
        ("> *The biggest challenges", "> *Our biggest challenges", "template", False),
        ("### Question 30\n", "## Question 30\n", "heading", False),
    ],
)
def test_what_was_done_to_the_template_is_told(old: str, new: str, kind: str, falls_short: bool) -> None:
    text = next(REAL.glob("003_*")).read_text(encoding="utf-8")
    assert text.count(old) == 1

    verdict = check_report(parse_report(text.replace(old, new)), REAL).verdicts[29]

    assert kind in [it.kind for it in (verdict.problems if falls_short else verdict.notes)]
