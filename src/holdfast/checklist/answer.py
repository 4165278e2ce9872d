"""What can be said of an item of the checklist: yes with evidence, no with help, or what would tell."""

from dataclasses import dataclass
from typing import Any, Literal

from holdfast.checklist.tree import shown

Verdict = Literal["yes", "no", "cannot tell"]
_SHOWN = 5


@dataclass(frozen=True)
class Seen:
    """A piece of evidence.

    Attributes:
        file: from the root of the repository.
        line: from 1; None where it is the whole file.
        what: was seen there.
    """

    file: str
    line: int | None
    what: str

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {"file": shown(self.file), "line": self.line, "seen": shown(self.what)[:200]}


@dataclass(frozen=True)
class Answer:
    """An answer to one item.

    Attributes:
        verdict: yes, no or cannot tell.
        seen: evidence for it, or what comes near to it.
        why: what is missing, or why nobody can tell from the files.
        help: the command or the page that helps, or what would tell.
    """

    verdict: Verdict
    seen: tuple[Seen, ...] = ()
    why: str = ""
    help: str = ""

    def told(self) -> dict[str, Any]:
        """As plain values."""
        more = max(len(self.seen) - _SHOWN, 0)
        return {
            "answer": self.verdict,
            "evidence": [seen.told() for seen in self.seen[:_SHOWN]],
            "more": more,
            "why": shown(self.why),
            "help": self.help,
        }


def yes(*seen: Seen) -> Answer:
    """It is there, and this shows it."""
    return Answer("yes", seen)


def no(why: str, *seen: Seen) -> Answer:
    """It is not there; the table of items knows what helps."""
    return Answer("no", seen, why)


def unknown(why: str, tells: str, *seen: Seen) -> Answer:
    """The files cannot tell."""
    return Answer("cannot tell", seen, why, tells)
