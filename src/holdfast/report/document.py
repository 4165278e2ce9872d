"""A report as it is written: its questions, what each asks, what is answered, and its checklist.

The parser takes a report as people leave it: a heading may be missing or doubled, an answer may hold headings
and code, and a block of code may never end. What it had to guess is kept beside what it read.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from holdfast.core.errors import DataError
from holdfast.report.checklist import Item, items_of
from holdfast.report.constraints import Limits, limits_of
from holdfast.report.lines import ANSWER, lines_of
from holdfast.report.pictures import Picture, pictures_of
from holdfast.report.split import Part, split

__all__ = ["Item", "Picture", "Question", "Report", "parse_report", "read_report"]

MAX_BYTES = 5_000_000
"""A report of 31 long answers has 40,000."""
_ASKED_ENDS = re.compile(r"^(?:example\b|(?:recommended\s+)?answer\s+length\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """A question and its answer. Lines are counted from 1.

    Attributes:
        number: as its heading says, or as it must be where that is missing.
        title: what it asks, on one line, in the report's words.
        section: the heading above it, such as `Deployment`; empty if there is none.
        limits: words and pictures that it asks for, read from its own lines.
        prompt: its lines with their numbers, up to the one where the answer begins, without quote marks.
        answer: what was written, as it was written.
        code: whether each line of the answer is code.
        words: of the answer, split at white space.
        pictures: all that the answer shows or links to.
        line: of its heading; where there is none, of its first line.
        answer_line: where the answer begins.
        end_line: its last line.
        heading: whether it is there; `changed` where it is not three hashes and `Question N`.
        marked: whether a line says where the answer begins.
        others: lines of further headings of the same number.
    """

    number: int
    title: str
    section: str
    limits: Limits
    prompt: tuple[tuple[int, str], ...]
    answer: str
    code: tuple[bool, ...]
    pictures: tuple[Picture, ...]
    line: int
    answer_line: int
    end_line: int
    heading: Literal["there", "changed", "missing"]
    marked: bool
    others: tuple[int, ...] = ()

    @property
    def words(self) -> int:
        """How many words the answer has, as the template counts them: all that white space parts."""
        return len(self.answer.split())

    @property
    def images(self) -> int:
        """How many pictures the answer shows."""
        return sum(it.shown for it in self.pictures)


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        text: all of it.
        title: its first heading.
        preamble: what stands before the first question.
        questions: in the order in which they stand.
        checklist: items with boxes, ticked or not, in their order.
        open_fences: lines where blocks of code begin that never end.
        renumbered: line and number of headings whose number was taken, and the number that was given instead.
        stray_prompts: lines where a question stands within an answer.
    """

    text: str
    title: str
    preamble: str
    questions: tuple[Question, ...]
    checklist: tuple[Item, ...]
    open_fences: tuple[int, ...]
    renumbered: tuple[tuple[int, int, int], ...]
    stray_prompts: tuple[int, ...]

    def question(self, number: int) -> Question | None:
        """The question of a number, if the report has it."""
        return next((it for it in self.questions if it.number == number), None)


def read_report(file: Path) -> Report:
    """The report in a file.

    Raises:
        DataError: if it is not a text file in UTF-8 that has questions, or is longer than 5 MB.
        FileNotFoundError: if there is no such file.
    """
    if file.is_dir():
        inside = next(iter(sorted(file.glob("*.md"))), file / "README.md")
        raise DataError(f"{file} is a folder", hint=f"give the report in it, such as {inside}")
    size = file.stat().st_size
    if size > MAX_BYTES or not file.is_file():
        much = f"has {size / 1e6:,.1f} MB" if file.is_file() else "is no plain file"
        raise DataError(f"{file} {much}", hint="give a report: a Markdown file of at most 5 MB")
    return parse_report(_decoded(file.read_bytes(), file), name=str(file))


def parse_report(text: str, *, name: str = "the text") -> Report:
    r"""The report in a text.

    Args:
        text: Markdown, each question under a heading `### Question N`, quoted, with a last line `> Answer:`.
        name: what to call it where it is no report.

    Raises:
        DataError: if there is no question in it.

    >>> text = "### Question 1\n> **What runs?**\n> Answer length: 2-5 words\n> Answer:\n\nOne small model."
    >>> question = parse_report(text).questions[0]
    >>> question.title, question.words, str(question.limits.words)
    ('What runs?', 3, '2 to 5')
    """
    lines = lines_of(text.removeprefix("\ufeff"))
    parts = split(lines)
    if not any(ANSWER.match(line) for line in lines.text) or not parts.parts:
        raise DataError(
            f"{name} is no report: no heading such as '### Question 1' with a line '> Answer:' is in it",
            hint="give the filled-in template, and keep its headings as they are",
        )
    preamble = "\n".join(lines.text[: parts.parts[0].start])
    title = next((line[2:].strip() for line in lines.text if line.startswith("# ")), "")
    questions = tuple(_question(part) for part in parts.parts)
    return Report(
        text,
        title,
        preamble,
        questions,
        items_of(lines.text[: parts.parts[0].start], lines.code),
        tuple(index + 1 for index in lines.open_fences),
        parts.renumbered,
        parts.stray_prompts,
    )


def _decoded(data: bytes, file: Path) -> str:
    if not data.strip():
        raise DataError(f"{file} is empty", hint="give the filled-in template")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file} is not UTF-8: byte {data[error.start]:#04x} in line {line} cannot be read",
            hint="save it as UTF-8; an editor has that under `save with encoding`",
        ) from None
    if "\x00" in text:
        raise DataError(f"{file} is no text: it has zero bytes", hint="give a report: a Markdown file")
    return text


def _question(part: Part) -> Question:
    asked = [text for _, text in part.prompt]
    end = next((i for i, text in enumerate(asked) if _ASKED_ENDS.match(text)), len(asked))
    title = " ".join(text.strip("* ") for text in asked[:end] if text.strip("* "))
    before_example = next((i for i, text in enumerate(asked) if text.lower().startswith("example")), None)
    return Question(
        part.number,
        title,
        part.section,
        limits_of([text.strip("* ") for text in asked[:before_example]]),
        part.prompt,
        "\n".join(part.answer),
        part.code,
        pictures_of(part.answer, part.code, first=part.answer_line),
        part.line,
        part.answer_line,
        part.end_line,
        part.heading,
        part.marked,
        part.others,
    )
