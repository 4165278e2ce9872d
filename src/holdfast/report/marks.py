"""What people leave in an answer that was meant to go: placeholders, reminders, notes to each other."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_PLACEHOLDER = re.compile(
    r"(?:-{2,8}[ \t]{0,8})?\bquestion[ \t]{1,8}\d{1,3}[ \t]{1,8}fill[ \t]{1,8}here\b(?:[ \t]{0,8}-{2,8})?"
    r"|\bfill[ \t]{1,8}(?:(?:this|it|me)[ \t]{1,8})?(?:in[ \t]{1,8}|out[ \t]{1,8})?here\b"
    r"|\blorem ipsum\b|\bsX{6}\b",
    re.IGNORECASE,
)
_DRAFT = re.compile(r"\b(?:TODO|FIXME|XXX+|TBD|TBA|WIP)\b|\b[Tt]o-?do[ \t]*:")
_CODE_SPAN = re.compile(r"(`+)[^`]*\1")
_ADDRESS = re.compile(r"\]\([^()\[\]\s]*|https?://\S+")
_WORD = re.compile(r"[^\W\d_]+")
_REPEATED = re.compile(r"(.)\1{2,}")
_SHOUTED = 4
"""Words in capitals in a row that are no row of abbreviations any more, if two of them are long."""
_LONG = 5
_TEAM = re.compile(
    "ADD|MORE|FIX|WRITE|REMOVE|REWRITE|FINISH|MISSING|REMEMBER|SOMETHING|LATER|HERE|THIS|ASK|HELP|DRAFT|FILL"
    "|FJERN|TILFØJ|HUSK|MANGLER"
)
"""Words of which one is enough among two in capitals."""

Kind = Literal["placeholder", "draft", "shouted"]


@dataclass(frozen=True)
class Mark:
    """Something left over: its kind, its text, and its line, counted from 1."""

    kind: Kind
    text: str
    line: int


def marks_of(lines: Sequence[str], code: Sequence[bool], *, first: int) -> tuple[Mark, ...]:
    """What was left in an answer. Placeholders are found in code too, all else outside of it.

    Args:
        lines: of the answer.
        code: whether each is code.
        first: the number of the first line.

    >>> marks_of(["It works. ADDD MORE"], [False], first=7)
    (Mark(kind='shouted', text='ADDD MORE', line=7),)
    >>> marks_of(["We use GCP, DVC, AWS and a CI with `TODO`"], [False], first=1)
    ()
    """
    marks: list[Mark] = []
    for line, (text, is_code) in enumerate(zip(lines, code, strict=True), start=first):
        marks += (Mark("placeholder", found.group(), line) for found in _PLACEHOLDER.finditer(text))
        if is_code:
            continue
        prose = _ADDRESS.sub(" ", _CODE_SPAN.sub(" ", text))
        marks += (Mark("draft", found.group(), line) for found in _DRAFT.finditer(prose))
        marks += (Mark("shouted", note, line) for note in _shouted(_DRAFT.sub(" ", prose)))
    return tuple(marks)


def remains(answer: str) -> str:
    """What is left of an answer without placeholders, draft marks, HTML comments and bare punctuation.

    >>> remains("--- question 3 fill here ---"), remains("--- 54 ---"), remains("TODO!")
    ('', '54', '')
    """
    text = _DRAFT.sub(" ", _PLACEHOLDER.sub(" ", re.sub(r"<!--.*?(?:-->|\Z)", " ", answer, flags=re.DOTALL)))
    return text.strip("-–—_*#>.,;:!?`~ \t\n")


def _shouted(text: str) -> Iterator[str]:
    """Rows of words in capitals that are sentences, not abbreviations."""
    row: list[re.Match[str]] = []
    for word in [*_WORD.finditer(text), None]:
        if word is not None and word.group().isupper():
            row.append(word)
            continue
        if row and _is_note([it.group() for it in row]):
            yield text[row[0].start() : row[-1].end()]
        row = []


def _is_note(words: Sequence[str]) -> bool:
    spoken = [_REPEATED.sub(r"\1\1", word) for word in words]
    long = sum(len(word) >= _LONG for word in words)
    return (len(words) >= 2 and any(map(_TEAM.fullmatch, spoken))) or (len(words) >= _SHOUTED and long >= 2)
