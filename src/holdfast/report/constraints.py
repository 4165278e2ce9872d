"""What a question asks of its answer, in numbers, as the report itself words it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_COUNT = r"(\d{1,6}|an?|one|two|three|four|five)"
_TO = r"(?:\s*(?:-|–|—|to)\s*(\d{1,6}|one|two|three|four|five))?"
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
LENGTH = re.compile(r"^(?:recommended\s+)?answer\s+length\b", re.IGNORECASE)
"""How the line of a question begins that says how long its answer should be."""
_WORDS = re.compile(_COUNT + _TO + r"\s+words?\b", re.IGNORECASE)
_MOST = re.compile(r"(?:at most|up to|max(?:imum)?|no more than)\s+(\d{1,6})\s+words?\b", re.IGNORECASE)
_LEAST = re.compile(r"(?:at least|min(?:imum)?|no fewer than)\s+(\d{1,6})\s+words?\b", re.IGNORECASE)
_PICTURES = _COUNT + _TO + r"\s+(?:images?|screenshots?|figures?|pictures?)\b"
_ASKED = re.compile(r"\b(?:upload|insert|include|add)\s+" + _PICTURES, re.IGNORECASE)
_BESIDE = re.compile(r"\+\s*" + _PICTURES, re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """A count from `low` to `high`; both are allowed, and None is no limit.

    >>> 100 in Span(100, 200), 201 in Span(100, 200), 201 in Span(100, None)
    (True, False, True)
    """

    low: int
    high: int | None

    def __contains__(self, count: int) -> bool:
        return self.low <= count and (self.high is None or count <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.low} or more"
        return f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"


@dataclass(frozen=True)
class Limits:
    """How many words and how many pictures an answer should have; None where the question does not say."""

    words: Span | None = None
    images: Span | None = None

    def allow(self, *, words: int, images: int) -> bool:
        """Whether an answer of this size keeps to them."""
        return (self.words is None or words in self.words) and (self.images is None or images in self.images)


def limits_of(lines: Sequence[str]) -> Limits:
    """The limits that a question's lines state: its own sentences and the line of the length.

    Args:
        lines: of the question, without quote marks and without its example.

    >>> limits_of(["Upload 1 to 3 screenshots of your runs.", "Recommended answer length: 200-300 words"])
    Limits(words=Span(low=200, high=300), images=Span(low=1, high=3))
    >>> limits_of(["Insert one image of it."])
    Limits(words=None, images=Span(low=1, high=1))
    """
    asked = " ".join(line for line in lines if not LENGTH.match(line))
    length = " ".join(line for line in lines if LENGTH.match(line))
    images = _BESIDE.search(length) or _ASKED.search(asked)
    return Limits(_words(length), _span(images) if images else None)


def _words(length: str) -> Span | None:
    if found := _MOST.search(length):
        return Span(0, int(found[1]))
    if found := _LEAST.search(length):
        return Span(int(found[1]), None)
    found = _WORDS.search(length)
    return _span(found) if found else None


def _span(found: re.Match[str]) -> Span:
    low = _number(found[1])
    high = _number(found[2]) if found[2] else low
    return Span(min(low, high), max(low, high))


def _number(text: str) -> int:
    return _NUMBERS.get(text.lower()) or int(text)
