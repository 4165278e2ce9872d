"""Which course template a report is filled in from, and whether its own words were changed.

The template's words are not kept here: only a digest of each line, taken from copies of both generations.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from holdfast.report.constraints import LENGTH
from holdfast.report.document import Question

_FILE = Path(__file__).with_name("wordings.json")
_ENOUGH = 10
"""Questions whose words must be known before a report is taken for the template."""

Wordings = Mapping[int, Mapping[int, Sequence[Sequence[str]]]]


@dataclass(frozen=True)
class Change:
    """How a question differs from the template's: lines that are new, lines that are gone.

    Attributes:
        lines: those that the template does not have, counted from 1.
        missing: how many of the template's are not there.
        limits: whether what the question asks for is all that changed.
    """

    lines: tuple[int, ...]
    missing: int
    limits: bool


def digest(line: str) -> str:
    """What is kept of a template's line: the same for any spacing, emphasis and case.

    >>> digest("> **What  runs?**") == digest("what runs?")
    True
    """
    words = re.sub(r"[\s>*_`<]+", " ", line).strip().casefold()
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def generation_of(questions: Sequence[Question]) -> int | None:
    """How many questions the template has that a report was made from: 27, 31, or None for no known one."""
    best, total = 0, None
    for count, wordings in _wordings().items():
        known = sum(_is_known(question, wordings.get(question.number, ())) for question in questions)
        if known >= _ENOUGH and known > best:
            best, total = known, count
    return total


def change_of(question: Question, generation: int) -> Change | None:
    """How a question's words differ from those of its template; None if they do not, or are not known."""
    variants = _wordings()[generation].get(question.number, ())
    lines = {digest(text): (line, text) for line, text in question.prompt}
    if not variants:
        return None
    nearest = max(variants, key=lambda known: (len(lines.keys() & set(known)), -len(known)))
    new = [lines[it] for it in lines if it not in nearest]
    missing = len(set(nearest) - lines.keys())
    if not new and not missing:
        return None
    only_limits = bool(new) and missing <= len(new) and all(LENGTH.match(text.strip("* ")) for _, text in new)
    return Change(tuple(line for line, _ in new), missing, only_limits)


def _is_known(question: Question, variants: Sequence[Sequence[str]]) -> bool:
    asked = digest(question.prompt[0][1]) if question.prompt else ""
    return any(asked in known for known in variants)


@cache
def _wordings() -> Wordings:
    """By generation and question: the digests of the lines of each known wording."""
    kept = json.loads(_FILE.read_text(encoding="utf-8"))
    return {int(count): {int(n): known for n, known in by.items()} for count, by in kept.items()}
