"""Puts drafted answers into a report; what people have written stays as it is, byte for byte."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.report.document import Question, Report
from holdfast.report.draft import Composed, Evidence
from holdfast.report.lines import ANSWER, SECTION
from holdfast.report.marks import remains

HEADING = "## Evidence"
_INTRO = "Where the drafted sentences come from: lines of files, and what commands say."


@dataclass(frozen=True)
class Open:
    """A question that no evidence answers: what people should say, and why nothing was found."""

    people: str
    why: str = ""


def is_open(question: Question) -> bool:
    """Whether nobody has answered it: it is empty, or has only a placeholder, comments and draft marks."""
    return not remains(question.answer)


def fill(report: Report, answers: Mapping[int, Composed | Open]) -> str:
    """The text of a report with answers put in where there are none.

    The footnotes stand before the first question: after the last one they would count as words of its answer.

    Args:
        report: as it was read.
        answers: by number of the question; those of answered questions are left out.
    """
    pieces = re.split(r"(\r\n|\r|\n)", report.text)
    lines, ends = pieces[::2], [*pieces[1::2], ""]
    newline = Counter(ends[:-1]).most_common(1)[0][0] if ends[:-1] else "\n"
    footnotes: dict[str, Evidence] = {}
    for question in sorted(report.questions, key=lambda it: it.line):
        found = answers.get(question.number)
        if isinstance(found, Composed) and is_open(question):
            footnotes |= found.footnotes
    for question in sorted(report.questions, key=lambda it: -it.line):
        found = answers.get(question.number)
        if found is not None and is_open(question):
            text = found.text if isinstance(found, Composed) else _left(question, found)
            _put(lines, ends, question, text.split("\n"), newline)
    if footnotes:
        _note(lines, ends, report, footnotes, newline)
    return "".join(line + end for line, end in zip(lines, ends, strict=True))


def _left(question: Question, found: Open) -> str:
    why = f" {found.why[:1].upper()}{found.why[1:]}." if found.why else ""
    said = f"Only you know: {found.people}.{why}".replace("-->", "").replace("--", "-")
    return f"--- question {question.number} fill here ---\n<!-- {said} -->"


def _put(lines: list[str], ends: list[str], question: Question, answer: list[str], newline: str) -> None:
    """Put an answer in the place of one, or where it belongs."""
    start = question.answer_line - 1
    if not question.answer:
        start = min(start, len(lines))
        if start < len(lines) and ANSWER.match(lines[start]):
            start += 1
        before = [""] if start and lines[start - 1].strip() else []
        new = [*before, *answer, ""]
        if start == len(lines) and ends[-1:] == [""]:
            ends[-1] = newline
            new = new if new[-1] else new[:-1]
        lines[start:start] = new
        ends[start:start] = [newline] * len(new)
        return
    stop = start + len(question.answer.split("\n"))
    mark = ANSWER.match(lines[start])
    new = [mark.group(), "", *answer] if mark else answer
    last = ends[stop - 1]
    lines[start:stop] = new
    ends[start:stop] = [*[newline] * (len(new) - 1), last]


def _note(
    lines: list[str], ends: list[str], report: Report, footnotes: Mapping[str, Evidence], newline: str
) -> None:
    told = [f"[^{label}]: {one.told()}" for label, one in footnotes.items()]
    first = min(question.line for question in report.questions) - 1
    if HEADING in lines[:first]:
        start = lines.index(HEADING) + 1
        while start < first and not lines[start].startswith("[^"):
            start += 1
        new = told
    else:
        start = first
        above = first - 1
        while above >= 0 and (not lines[above].strip() or lines[above].lstrip().startswith(">")):
            above -= 1
        if above >= 0 and SECTION.match(lines[above]):
            start = above
        new = [HEADING, "", _INTRO, "", *told, ""]
    lines[start:start] = new
    ends[start:start] = [newline] * len(new)
