"""The footnotes of a report: an answer may refer to one that stands elsewhere."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.report.document import Report
from holdfast.report.lines import lines_of

_LABEL = r"\[\^([^\[\]\s]{1,100})\]"
_MARK = re.compile(_LABEL)
_DEFINED = re.compile(rf"^ {{0,3}}{_LABEL}:(.*)$")


@dataclass(frozen=True)
class Footnotes:
    """The footnotes of a report.

    Attributes:
        texts: of each, by its label, as written.
        marked: labels that an answer refers to.
    """

    texts: dict[str, str]
    marked: frozenset[str]

    def beside(self, text: str) -> str:
        """A text with the footnotes below it that it refers to; those of no mark become plain lines.

        >>> notes = Footnotes({"a": "[^a]: Said."}, frozenset("a"))
        >>> notes.beside("So it is.[^a]")
        'So it is.[^a]\\n\\n[^a]: Said.'
        >>> notes.beside("[^b]: Nobody asked.")
        '\\\\[^b]: Nobody asked.'
        """
        if "[^" not in text:
            return text
        lines = lines_of(text)
        wanted = dict.fromkeys(_marks(lines.text, lines.code))
        told, here = list(lines.text), set()
        for label, start, _ in _definitions(lines.text, lines.code):
            here.add(label)
            if label not in wanted and label not in self.marked:
                told[start] = told[start].replace("[^", "\\[^", 1)
        elsewhere = [self.texts[label] for label in wanted if label in self.texts and label not in here]
        return "\n\n".join(["\n".join(told), *elsewhere])

    def without(self, text: str) -> str:
        """A text without the footnotes that answers show below themselves."""
        lines = lines_of(text)
        gone = {
            index
            for label, start, end in _definitions(lines.text, lines.code)
            for index in range(start, end)
            if label in self.marked
        }
        return "\n".join(line for index, line in enumerate(lines.text) if index not in gone)


def footnotes_of(report: Report) -> Footnotes:
    """All footnotes of a report: of two with the same label, the first counts."""
    texts: dict[str, str] = {}
    marked: set[str] = set()
    before = lines_of(report.preamble)
    parts = [(before.text, before.code)]
    parts += [(tuple(it.answer.split("\n")), it.code) for it in report.questions if it.answer]
    for lines, code in parts:
        for label, start, end in _definitions(lines, code):
            texts.setdefault(label, "\n".join(lines[start:end]))
    for lines, code in parts[1:]:
        marked.update(_marks(lines, code))
    return Footnotes(texts, frozenset(marked))


def _definitions(lines: Sequence[str], code: Sequence[bool]) -> Iterator[tuple[str, int, int]]:
    """The label of each footnote, its first line, and the one after its last, with all that is indented."""
    for start, line in enumerate(lines):
        found = None if code[start] or "[^" not in line else _DEFINED.match(line)
        if found:
            end = start + 1
            while end < len(lines) and lines[end].startswith(("    ", "\t")):
                end += 1
            yield found[1], start, end


def _marks(lines: Sequence[str], code: Sequence[bool]) -> Iterator[str]:
    """The labels that lines refer to."""
    for index, line in enumerate(lines):
        if "[^" in line and not code[index]:
            found = _DEFINED.match(line)
            yield from _MARK.findall(found[2] if found else line)
