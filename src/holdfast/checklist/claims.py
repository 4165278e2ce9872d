"""What a filled-in report claims, held against the evidence."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.checklist.items import ITEMS


@dataclass(frozen=True)
class Claim:
    """A box of a report.

    Attributes:
        line: from 1.
        text: what it says.
        ticked: whether it is claimed.
        item: of the checklist; None where it is none of ours.
    """

    line: int
    text: str
    ticked: bool
    item: str | None


def claim(line: int, text: str, *, ticked: bool) -> Claim:
    """A box with the item that it is.

    >>> claim(1, "Create a git repository", ticked=True).item
    'git'
    """
    item = next((one.name for one in ITEMS if re.search(one.claim, text, re.IGNORECASE)), None)
    return Claim(line, text, ticked, item)


def weigh(claims: Sequence[Claim], answers: Mapping[str, str]) -> dict[str, list[Any]]:
    """Claims without evidence, evidence without a claim, and claims that nobody can check from here.

    Args:
        claims: the boxes of a report.
        answers: the verdict of each item, by its id.

    >>> weigh([claim(1, "Create a git repository", ticked=True)], {"git": "no"})["claimed_without_evidence"]
    [{'item': 'git', 'line': 1, 'text': 'Create a git repository'}]
    """

    def those(ticked: bool, verdict: str) -> list[dict[str, Any]]:
        return [
            {"item": one.item, "line": one.line, "text": one.text}
            for one in claims
            if one.item and one.ticked is ticked and answers.get(one.item) == verdict
        ]

    return {
        "claimed_without_evidence": those(True, "no"),
        "evidence_without_claim": those(False, "yes"),
        "claimed_and_seen": those(True, "yes"),
        "claimed_and_cannot_tell": those(True, "cannot tell"),
        "unknown_lines": [{"line": one.line, "text": one.text} for one in claims if one.item is None],
    }
