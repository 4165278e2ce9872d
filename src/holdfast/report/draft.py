"""A drafted answer: sentences that each have evidence, and what is left to people."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from holdfast.report.constraints import Limits

_QUOTED = 100
"""Characters of a line that a footnote shows at most."""
_SECRET = re.compile(
    r"((?:passw(?:or)?d|secret|token|api[_-]?key|credential)\w*[\"']?\s*[=:]\s*"
    r"|--[\w-]*(?:password|secret|token|api-?key)[\w-]*\s+)[^\s${`]\S*",
    re.IGNORECASE,
)
_NO_LIMIT = 150
"""Words of a draft where the question does not say how many it should have."""


@dataclass(frozen=True)
class FileLine:
    """A line of a file that shows it.

    Attributes:
        file: with forward slashes, from the root of the project or of the workspace.
        line: from 1.
        text: of that line, or a part of it.
        of: which root is meant.
    """

    file: str
    line: int
    text: str
    of: Literal["project", "workspace"] = "project"

    def told(self) -> str:
        """As a footnote says it."""
        where = " of the workspace" if self.of == "workspace" else ""
        return f"{quoted(self.file)}{where}, line {self.line}: {quoted(self.text)}"


@dataclass(frozen=True)
class Said:
    """What a command says that shows it.

    Attributes:
        command: as it is typed in the project's folder.
        says: a part of its output, on one line.
    """

    command: str
    says: str

    def told(self) -> str:
        """As a footnote says it."""
        return f"{quoted(self.command)} says {quoted(self.says)}"


Evidence = FileLine | Said


@dataclass(frozen=True)
class Sentence:
    """A sentence, or a few that belong together, with what shows that it is true."""

    text: str
    evidence: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"a sentence without evidence: {self.text!r}")

    @property
    def words(self) -> int:
        """As a report counts them; its footnotes stick to its last word."""
        return len(self.text.split())


@dataclass(frozen=True)
class Draft:
    """What evidence can say to a question.

    Attributes:
        sentences: those that matter most first.
        left: what of the question only people can say; empty if nothing.
        images: paths of pictures to show, from the report's folder.
    """

    sentences: tuple[Sentence, ...] = ()
    left: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Composed:
    """A draft as it stands in a report.

    Attributes:
        text: the answer.
        footnotes: by label.
        state: `drafted` where nothing is left to do, `partly` where something is.
        words: of the answer.
    """

    text: str
    footnotes: dict[str, Evidence]
    state: Literal["drafted", "partly"]
    words: int


def compose(draft: Draft, limits: Limits, label: str, taken: str = "") -> Composed | None:
    """Put a draft into words: as many whole sentences as the limit allows, each with its footnotes.

    Args:
        draft: what can be said.
        limits: of the question.
        label: how its footnotes begin, such as `q7-`.
        taken: a text whose labels are not used again.

    Returns:
        None if no sentence fits.

    >>> line = FileLine("a.py", 3, "import torch")
    >>> found = compose(Draft((Sentence("It uses `torch`.", (line,)),)), Limits(), "q3-")
    >>> found.text
    'It uses `torch`.[^q3-1]'
    >>> found.footnotes["q3-1"].told()
    '`a.py`, line 3: `import torch`'
    """
    low = limits.words.low if limits.words else 0
    high = limits.words.high if limits.words and limits.words.high else max(_NO_LIMIT, low)
    shown, todo = _pictures(draft, limits)
    left = [draft.left] if draft.left else []
    room = high - sum(len(line.split()) for line in [*shown, _todo([*left, *todo])])
    kept = []
    for sentence in draft.sentences:
        if sentence.words <= room:
            kept.append(sentence)
            room -= sentence.words
    if not kept:
        return None
    words = sum(sentence.words for sentence in kept)
    if words < low:
        left.append(f"{counted(low - words, 'more word')}, for which no evidence was found")
    last = _todo([*left, *todo])
    footnotes, labels = _labels(kept, label, taken)
    prose = " ".join(
        it.text + "".join(f"[^{labels[one]}]" for one in dict.fromkeys(it.evidence)) for it in kept
    )
    text = "\n\n".join(part for part in [prose, *shown, last] if part)
    return Composed(text, footnotes, "partly" if last else "drafted", len(text.split()))


def _pictures(draft: Draft, limits: Limits) -> tuple[list[str], list[str]]:
    """The pictures that are asked for, and what to do where there are too few."""
    if limits.images is None:
        return [], []
    shown = [f"![]({path})" for path in draft.images[: limits.images.high]]
    few = len(shown) < limits.images.low
    return shown, [f"{limits.images} image{'' if limits.images.high == 1 else 's'}"] if few else []


def _todo(left: Sequence[str]) -> str:
    return f"TODO, by people: {'; '.join(left)}." if left else ""


def _labels(
    kept: Sequence[Sentence], label: str, taken: str
) -> tuple[dict[str, Evidence], dict[Evidence, str]]:
    """A label for each piece of evidence, the same for the same."""
    footnotes: dict[str, Evidence] = {}
    labels: dict[Evidence, str] = {}
    number = 0
    for one in dict.fromkeys(one for it in kept for one in it.evidence):
        number += 1
        while f"[^{label}{number}]" in taken:
            number += 1
        labels[one] = f"{label}{number}"
        footnotes[labels[one]] = one
    return footnotes, labels


def quoted(text: str, most: int = _QUOTED) -> str:
    """A text as code within a sentence, on one line, cut where it is long.

    >>> print(quoted("a`b\\n c"))
    ``a`b c``
    >>> print(quoted("deploy --api-key abc PASSWORD=abc TOKEN=$TOKEN"))
    `deploy --api-key … PASSWORD=… TOKEN=$TOKEN`
    """
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    text = _SECRET.sub(r"\1…", re.sub(r"(?<=://)[^\s/@]+(?=@)", "…", text))  # no passwords
    text = text if len(text) <= most else f"{text[: most - 1].strip()}…"
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def listed(items: Sequence[str], most: int = 6) -> str:
    """Items in a row: `a, b and c`; of many the first, and how many more.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('a', 'a, b and c', 'a and 2 more')
    """
    shown = list(items[:most])
    if len(items) > most:
        shown.append(f"{len(items) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, noun: str, more: str = "") -> str:
    """A number of things.

    >>> counted(1, "test"), counted(2, "test"), counted(2, "branch", "branches")
    ('1 test', '2 tests', '2 branches')
    """
    return f"{number:,} {noun if number == 1 else more or noun + 's'}"
