"""Whether a report answers what it is asked: what falls short, and what a reader should know besides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from holdfast.report.constraints import Span
from holdfast.report.document import Question, Report
from holdfast.report.marks import Mark, marks_of, remains
from holdfast.report.pictures import KINDS, Found, Picture, find, of_other_forms
from holdfast.report.wordings import change_of, generation_of

_PICTURES = 1_000
"""Of a report that are looked for: more take minutes, and nobody needs them."""
_TOLD = 50
"""Of one question and kind that are told: who left more knows."""
_QUOTED = 80
"""Characters that are shown of a text that somebody left."""


@dataclass(frozen=True)
class Finding:
    """Something about a report.

    Attributes:
        kind: one of those that docs/report.md lists, such as `words`.
        text: a sentence.
        line: where it is, counted from 1; None for what is nowhere.
    """

    kind: str
    text: str
    line: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What was found about one question.

    Attributes:
        question: as it was read.
        answered: whether anything is left once placeholders and draft marks are taken away.
        within_limits: whether words and pictures keep to its limits; a placeholder's words count too.
        files: where each of its pictures is.
        problems: why it falls short; if there are none, it does not.
        notes: what does not count against it.
    """

    question: Question
    answered: bool
    within_limits: bool
    files: tuple[Found, ...]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]


@dataclass(frozen=True)
class Checked:
    """What was found about a report.

    Attributes:
        generation: how many questions its template has, if it is a known one.
        verdicts: of each question, in the order in which they stand.
        problems: of the whole: headings that are missing or doubled, blocks of code that never end.
        notes: what does not count against it.
    """

    generation: int | None
    verdicts: tuple[Verdict, ...]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing falls short."""
        return not self.problems and not any(verdict.problems for verdict in self.verdicts)


def check_report(report: Report, folder: Path) -> Checked:
    """Hold a report against what it asks for itself.

    Args:
        report: as `parse_report` gives it.
        folder: where it lies, for its pictures. Files outside of it are not opened.
    """
    generation = generation_of(report.questions)
    looked = _looked(report.questions, folder)
    verdicts = tuple(_verdict(question, files, generation) for question, files in looked)
    strays = [
        Finding("template", f"a question of the template stands within an answer, from line {line}", line)
        for line in report.stray_prompts[:_TOLD]
    ]
    return Checked(generation, verdicts, tuple(_headings(report, generation)), tuple(strays))


def _looked(questions: Sequence[Question], folder: Path) -> Iterator[tuple[Question, tuple[Found, ...]]]:
    """Each question with where its pictures are."""
    known: dict[str, Found] = {}
    for question in questions:
        targets = [picture.target for picture in question.pictures]
        for target in targets:
            if target not in known and len(known) < _PICTURES:
                known[target] = find(target, folder)
        yield question, tuple(known.get(target, Found("unseen")) for target in targets)


def _verdict(question: Question, files: tuple[Found, ...], generation: int | None) -> Verdict:
    left = remains(question.answer)
    lines = question.answer.split("\n") if question.answer else []
    marks = marks_of(lines, question.code, first=question.answer_line)
    problems = list(_size(question)) if left else list(_nothing(question, marks))
    problems = [*(_left_over(marks) if left else ()), *problems]
    notes: list[Finding] = []
    for picture, file in islice(zip(question.pictures, files, strict=True), _TOLD):
        found, falls_short = _picture(picture, file)
        is_told = picture.shown or not any(it.kind == "images" for it in problems)
        if found and is_told:
            (problems if falls_short else notes).append(found)
    for changed, falls_short in _template(question, generation):
        (problems if falls_short else notes).append(changed)
    notes += _dashes(question, marks)
    within = question.limits.allow(words=question.words, images=question.images)
    return Verdict(question, bool(left), within, files, tuple(problems), tuple(notes))


def _nothing(question: Question, marks: Sequence[Mark]) -> Iterator[Finding]:
    """What falls short where there is no answer: nothing if none is asked for and none was begun."""
    limits = question.limits
    may_be_empty = limits.words is not None and limits.words.low == 0 and not limits.images
    if question.answer.strip() or not may_be_empty:
        why = ": the placeholder is left" if any(mark.kind == "placeholder" for mark in marks) else ""
        yield Finding("unanswered", f"not answered{why}", question.answer_line)


def _size(question: Question) -> Iterator[Finding]:
    words, images = question.limits.words, question.limits.images
    if words is not None and question.words not in words:
        yield Finding("words", _words(question.words, words), question.answer_line)
    if images is not None and question.images not in images:
        yield _images(question, images)


def _words(count: int, limits: Span) -> str:
    words = "word" if count == 1 else "words"
    if count < limits.low:
        return f"{count} {words} of {limits}: {limits.low - count} too few"
    return f"{count} {words} of {limits}: {count - (limits.high or 0)} too many"


def _images(question: Question, limits: Span) -> Finding:
    shown = f"{question.images} image{'' if question.images == 1 else 's'} of {limits}"
    links = [picture.line for picture in question.pictures if not picture.shown]
    if question.images < limits.low and links:
        said = f"{shown}: without the `!` that shows them, pictures are only linked in {_lines(links)}"
        return Finding("images", said, links[0])
    others = of_other_forms(question.answer.split("\n"), question.code, first=question.answer_line)
    if question.images < limits.low and question.answer and others:
        said = f"{shown}: only `![text](file)` is counted, and {_lines(others)} shows one in another way"
        return Finding("images", said, others[0])
    return Finding("images", shown, question.answer_line)


def _left_over(marks: Sequence[Mark]) -> Iterator[Finding]:
    names = {
        "placeholder": "a placeholder is left",
        "draft": "a draft mark is left",
        "shouted": "a note is left",
    }
    for mark in marks[:_TOLD]:
        text = mark.text if len(mark.text) <= _QUOTED else f"{mark.text[: _QUOTED - 1]}…"
        yield Finding(mark.kind, f"{names[mark.kind]}: {text}", mark.line)


def _picture(picture: Picture, file: Found) -> tuple[Finding | None, bool]:
    """What is to be told about a picture, and whether it falls short."""
    name = picture.target if len(picture.target) <= _QUOTED else f"{picture.target[: _QUOTED - 1]}…"
    if not picture.shown:
        said = f"{name} is linked, not shown: an image begins with `!`"
        return Finding("link", said, picture.line), False
    if picture.in_code:
        said = f"{name} stands in a block of code: readers see its text"
        return Finding("image-in-code", said, picture.line), False
    if picture.spaced:
        said = f"{name} has a space and no < > around it: readers see its text"
        return Finding("image-spaced", said, picture.line), True
    near = f"; there is {file.near}" if file.near else ""
    texts = {
        "missing": (f"{name or 'an image without a name'} is not there{near}", True),
        "format": (f"{name} is not one of {', '.join(KINDS)}", True),
        "damaged": (f"{name} is no PNG or JPEG, whatever its name says", True),
        "elsewhere": (f"{name} cannot be checked: its folder is not beside the report", False),
        "outside": (f"{name} lies outside of the report's folder, and was not looked at", False),
        "unseen": (f"{name} was not looked for: the report has too many pictures", False),
        "remote": (f"{name} is remote: whether it is there is not checked", False),
    }
    text, falls_short = texts.get(file.state, ("", False))
    return (Finding(f"image-{file.state}", text, picture.line) if text else None), falls_short


def _template(question: Question, generation: int | None) -> Iterator[tuple[Finding, bool]]:
    """What was done to the template's own words, and whether that falls short."""
    if question.heading == "changed":
        yield (
            Finding("heading", f"the heading should be `### Question {question.number}`", question.line),
            False,
        )
    if not question.marked:
        line = question.answer_line
        yield Finding("template", "the line `> Answer:` is missing", line), False
    change = change_of(question, generation) if generation else None
    if change is None:
        return
    if change.limits:
        said = f"the template's limits are changed: {_lines(change.lines)}"
        yield Finding("limits", said, change.lines[0]), True
        return
    parts = [_lines(change.lines)] if change.lines else []
    if change.missing > len(change.lines):
        parts.append(f"{change.missing} line{'s' * (change.missing != 1)} missing")
    first = change.lines[0] if change.lines else question.line
    yield Finding("template", f"the template's text is changed: {', '.join(parts)}", first), False


def _dashes(question: Question, marks: Sequence[Mark]) -> list[Finding]:
    text = question.answer.strip()
    if text.startswith("---") and text.endswith("---") and not any(it.kind == "placeholder" for it in marks):
        return [
            Finding("dashes", "the dashes of the placeholder stand around the answer", question.answer_line)
        ]
    return []


def _headings(report: Report, generation: int | None) -> Iterator[Finding]:
    present = {question.number for question in report.questions}
    for question in report.questions:
        name = f"the heading `### Question {question.number}`"
        if question.heading == "missing":
            where = (
                f"its text stands in lines {question.line} to {question.end_line}{_after(report, question)}"
            )
            yield Finding("heading-missing", f"{name} is missing: {where}", question.line)
        if question.others:
            lines = _lines(sorted((question.line, *question.others)))
            yield Finding("heading-doubled", f"{name} stands twice: {lines}", question.line)
    for line, number, given in report.renumbered[:_TOLD]:
        said = f"the second heading `### Question {number}`, in line {line}, is taken for question {given}"
        yield Finding("heading-doubled", said, line)
    for number in sorted(set(range(1, (generation or max(present)) + 1)) - present):
        said = f"the heading `### Question {number}` is missing, and its text was not found"
        yield Finding("heading-missing", said)
    for number in sorted(it for it in present if generation and it > generation):
        question = next(it for it in report.questions if it.number == number)
        yield Finding(
            "heading", f"the template has {generation} questions, and no question {number}", question.line
        )
    for line in report.open_fences[:_TOLD]:
        yield Finding("code", f"the block of code that begins in line {line} never ends", line)


def _after(report: Report, question: Question) -> str:
    before = [other.number for other in report.questions if other.line < question.line]
    return f", after the answer to question {before[-1]}" if before else ", before the first heading"


def _lines(numbers: Sequence[int]) -> str:
    """Line numbers in words.

    >>> _lines([3]), _lines([3, 5, 9])
    ('line 3', 'lines 3, 5 and 9')
    """
    told = list(dict.fromkeys(str(number) for number in numbers))
    if len(told) == 1:
        return f"line {told[0]}"
    return f"lines {', '.join(told[:-1])} and {told[-1]}"
