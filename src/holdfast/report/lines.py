"""The lines of a report, and which of them are code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]*question[ \t]*(\d{1,3})\b[ \t]*(.*)$", re.IGNORECASE)
"""A question's heading: its hashes, its number, and what should not stand behind it."""
SECTION = re.compile(r"^ {0,3}##[ \t]+(\S.*)$")
ANSWER = re.compile(r"^ {0,3}>[ \t]*\**answer:\**", re.IGNORECASE)
"""Where a question ends and its answer begins."""
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")


@dataclass(frozen=True)
class Lines:
    """The lines of a report.

    Attributes:
        text: of each line, without its end.
        code: whether each is part of a fenced block, fences included.
        open_fences: indices of fences that are never closed; they fence nothing.
    """

    text: tuple[str, ...]
    code: tuple[bool, ...]
    open_fences: tuple[int, ...]

    def is_quote(self, index: int) -> bool:
        """Whether a line is quoted, as a template's own words are."""
        return not self.code[index] and self.text[index].lstrip(" ").startswith(">")

    def is_blank(self, index: int) -> bool:
        """Whether there is nothing on a line."""
        return not self.text[index].strip()

    def heading(self, index: int) -> re.Match[str] | None:
        """The question's heading on a line, if it is one.

        One that is not quite as it should be counts only if a quote follows: else it is an answer's own.
        """
        found = None if self.code[index] else HEADING.match(self.text[index])
        exact = found is not None and len(found[1]) == 3 and not found[3].strip("# \t")
        return found if exact or (found and _leads_to_quote(self.text, index)) else None


def lines_of(text: str) -> Lines:
    """A text in lines, with its code found.

    A fence that is never closed would take all that follows for code, so it ends before a question's heading.
    """
    lines = tuple(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    code, opened = [False] * len(lines), []
    barren: dict[str, tuple[int, int]] = {}  # how long a fence of this mark has no end, and up to which line
    index = 0
    while index < len(lines):
        fence = _opening(lines[index])
        if fence is None:
            index += 1
            continue
        length, until = barren.get(fence[0], (0, -1))
        end, closed = (until, False) if len(fence) >= length and index < until else _end(lines, index, fence)
        if closed:
            code[index : end + 1] = [True] * (end + 1 - index)
            index = end + 1
        else:
            barren[fence[0]] = (len(fence), end)
            opened.append(index)
            index += 1
    return Lines(lines, tuple(code), tuple(opened))


def _opening(line: str) -> str | None:
    """The fence that a line opens; backticks that are closed on the same line are code within a sentence."""
    found = _FENCE.match(line)
    return None if found is None or (found[1][0] == "`" and "`" in found[2]) else found[1]


def _end(lines: Sequence[str], start: int, fence: str) -> tuple[int, bool]:
    """The line that closes a block; or the one that it cannot reach beyond, and that it is not closed."""
    for index in range(start + 1, len(lines)):
        found = _FENCE.match(lines[index])
        if found and found[1].startswith(fence) and not found[2].strip():
            return index, True
        if HEADING.match(lines[index]) and _leads_to_quote(lines, index):
            return index, False
    return len(lines), False


def _leads_to_quote(lines: Sequence[str], index: int) -> bool:
    after = next((line for line in lines[index + 1 : index + 6] if line.strip()), "")
    return after.lstrip(" ").startswith(">")
