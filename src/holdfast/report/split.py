"""Cuts a report into its questions, also where headings are missing, doubled or changed."""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

from holdfast.report.lines import ANSWER, SECTION, Lines

_MOST = 200
"""Questions without headings are not counted beyond that."""
_MARK = re.compile(r"^\s*\**answer:\**\s*", re.IGNORECASE)
"""The mark of an answer where its quote mark was lost."""


@dataclass(frozen=True)
class Part:
    """The lines of one question. `start` and `end` are indices; all else counts lines from 1."""

    number: int
    section: str
    start: int
    end: int
    prompt: tuple[tuple[int, str], ...]
    answer: tuple[str, ...]
    code: tuple[bool, ...]
    answer_line: int
    heading: Literal["there", "changed", "missing"]
    marked: bool
    others: tuple[int, ...] = ()

    @property
    def line(self) -> int:
        """Of the heading, or the first line."""
        return self.start + 1

    @property
    def end_line(self) -> int:
        """The last line that is not blank."""
        return self.end


@dataclass(frozen=True)
class Parts:
    """All questions, and what was odd: headings that got another number, questions within answers."""

    parts: tuple[Part, ...]
    renumbered: tuple[tuple[int, int, int], ...]
    stray_prompts: tuple[int, ...]


@dataclass(frozen=True)
class _Block:
    """A heading and all lines up to the next; no number for what stands before the first."""

    number: int | None
    start: int
    end: int
    exact: bool = True


def split(lines: Lines) -> Parts:
    """The questions of a report, in their order.

    A question whose heading is missing is found by its quoted lines. A second heading of the same number is
    taken for the next one where that is missing; else it is the same question twice, and the longer answer
    counts.
    """
    blocks, renumbered = _numbered(_blocks(lines))
    taken = {block.number for block in blocks if block.number is not None}
    parts: list[Part] = []
    strays: list[int] = []
    section = ""
    for block in blocks:
        cuts = _cuts(lines, block, follows=block.number is not None and block.number + 1 in taken)
        numbers = _numbers(block.number, len(cuts), taken)
        if block.number is not None:
            strays += [cut + 1 for cut, number in zip(cuts, numbers, strict=True) if number is None]
        numbered = zip(cuts, numbers, strict=True)
        kept = [(cut, number) for cut, number in numbered if number is not None or cut == block.start]
        ends = [*(cut for cut, _ in kept[1:]), block.end]
        for (start, number), end in zip(kept, ends, strict=True):
            stop, title = _without_section(lines, start, end)
            if number is not None:
                taken.add(number)
                head = block if start == block.start and block.number is not None else None
                parts.append(_part(lines, number, section, start, stop, head))
            section = title or section
    return Parts(_once(parts), renumbered, tuple(strays))


def _numbers(number: int | None, count: int, taken: Set[int]) -> list[int | None]:
    """The numbers of what a block is cut into; None for what is no question of its own."""
    if number is None:  # what stands before the first heading, and questions in it
        first = min(taken, default=count)
        free = range(max(first - count + 1, 1), first)
        return [None] * (count - len(free)) + list(free)
    numbers: list[int | None] = [number]
    for _ in range(count - 1):
        is_free = number + 1 not in taken and number < _MOST
        number += is_free
        numbers.append(number if is_free else None)
    return numbers


def _blocks(lines: Lines) -> list[_Block]:
    heads = [(index, found) for index in range(len(lines.text)) if (found := lines.heading(index))]
    starts = [*(index for index, _ in heads), len(lines.text)]
    exact = "### Question {}"
    return [
        _Block(None, 0, starts[0]),
        *(
            _Block(int(found[2]), index, end, lines.text[index].strip() == exact.format(found[2]))
            for (index, found), end in zip(heads, starts[1:], strict=True)
        ),
    ]


def _numbered(blocks: Sequence[_Block]) -> tuple[list[_Block], tuple[tuple[int, int, int], ...]]:
    """Give a heading whose number is taken the next one, where there is a gap."""
    present = {block.number for block in blocks if block.number is not None}
    last = max(present, default=0)
    seen: set[int] = set()
    done: list[_Block] = []
    renumbered = []
    for block in blocks:
        number = block.number
        whole = block.end - block.start > 2 and done[-1:] and done[-1].end - done[-1].start > 2
        if number in seen and number is not None and number + 1 not in present and number < last and whole:
            renumbered.append((block.start + 1, number, number + 1))
            number += 1
            present.add(number)
        if number is not None:
            seen.add(number)
        done.append(replace(block, number=number))
    return done, tuple(renumbered)


def _cuts(lines: Lines, block: _Block, *, follows: bool) -> list[int]:
    """Where a block begins, and each question that stands in it, apart from its own.

    Its own follows the heading at once; or is the first, if the next number has a heading of its own.
    """
    runs = [start for start, _ in _prompts(lines, block.start, block.end)]
    own = block.number is not None and bool(runs) and (follows or _opens(lines, block.start + 1, runs[0]))
    return [block.start, *(runs[1:] if own else runs)]


def _opens(lines: Lines, start: int, end: int) -> bool:
    """Whether nothing stands between a heading and its question."""
    return all(lines.is_blank(index) or lines.is_quote(index) for index in range(start, end))


def _prompts(lines: Lines, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where quoted lines begin that hold the mark of an answer, and where that mark is."""
    run = None
    marked = False
    for index in range(start, end):
        if not lines.is_quote(index):
            run, marked = None, False
            continue
        run = index if run is None else run
        if not marked and ANSWER.match(lines.text[index]):
            marked = True
            yield run, index


def _without_section(lines: Lines, start: int, end: int) -> tuple[int, str]:
    """The end of a part without the section's heading and its quoted words, and that heading."""
    index = end - 1
    while index > start and (lines.is_blank(index) or lines.is_quote(index)):
        if ANSWER.match(lines.text[index]):
            return end, ""
        index -= 1
    found = None if lines.code[index] else SECTION.match(lines.text[index])
    return (index, found[1].strip()) if found and index > start else (end, "")


def _part(lines: Lines, number: int, section: str, start: int, end: int, block: _Block | None) -> Part:
    first = start + 1 if block else start
    marker = next((at for _, at in _prompts(lines, first, end)), None)
    if marker is None:
        begin = asked = _after_quote(lines, first, end)
        answer = list(lines.text[begin:end])
        answer[:1] = [_MARK.sub("", line) for line in answer[:1]]
    else:
        rest = ANSWER.sub("", lines.text[marker])
        begin, asked = (marker, marker) if rest.strip() else (marker + 1, marker)
        answer = [rest, *lines.text[marker + 1 : end]] if rest.strip() else list(lines.text[begin:end])
    begin, answer = _trimmed(begin, answer)
    last = min(asked + 1, end)
    prompt = ((i + 1, lines.text[i].strip().lstrip(">").strip()) for i in range(first, asked))
    return Part(
        number,
        section,
        start,
        begin + len(answer) if answer else last,
        tuple((line, text) for line, text in prompt if text),
        tuple(answer),
        lines.code[begin : begin + len(answer)],
        begin + 1 if answer else last,
        ("there" if block.exact else "changed") if block else "missing",
        marker is not None,
    )


def _after_quote(lines: Lines, start: int, end: int) -> int:
    """The line after a question whose mark of an answer is missing."""
    index = start
    while index < end and (lines.is_blank(index) or lines.is_quote(index)):
        index += 1
    return index


def _trimmed(begin: int, answer: Sequence[str]) -> tuple[int, list[str]]:
    """An answer without the blank lines around it, and where it begins."""
    left, right = 0, len(answer)
    while left < right and not answer[left].strip():
        left += 1
    while right > left and not answer[right - 1].strip():
        right -= 1
    return begin + left, list(answer[left:right])


def _once(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Each number once: of a question that stands twice, the one with the longest answer."""
    same: dict[int, list[Part]] = {}
    for part in parts:
        same.setdefault(part.number, []).append(part)
    kept = []
    for found in same.values():
        best = max(found, key=_length)
        kept.append(replace(best, others=tuple(part.line for part in found if part is not best)))
    return tuple(sorted(kept, key=lambda part: part.start))


def _length(part: Part) -> int:
    """Of an answer; a placeholder has none."""
    text = " ".join(part.answer)
    return 0 if "fill here" in text else len(text)
