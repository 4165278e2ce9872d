"""What a filled-in report claims, held against the evidence."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.checklist.items import ITEMS

_BOX = re.compile(r"^\s*[*+-]\s+\[([ xX])\]\s+(.*)$")


def boxes(text: str) -> list[dict[str, Any]]:
    """Each box of a report: its line, what it says, whether it is ticked, and the item that it is.

    >>> boxes("* [x] Create a git repository (M5)")
    [{'line': 1, 'text': 'Create a git repository (M5)', 'ticked': True, 'item': 'git'}]
    """
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if box := _BOX.match(line):
            item = next(
                (one.name for one in ITEMS if re.search(one.claim, box.group(2), re.IGNORECASE)), None
            )
            found.append(
                {"line": number, "text": box.group(2).strip(), "ticked": box.group(1) != " ", "item": item}
            )
    return found


def weigh(found: Sequence[Mapping[str, Any]], answers: Mapping[str, str]) -> dict[str, list[Any]]:
    """Claims without evidence, evidence without a claim, and claims that nobody can check from here.

    Args:
        found: the boxes of a report.
        answers: the verdict of each item, by its id.

    >>> weigh(boxes("* [x] Create a git repository"), {"git": "no"})["claimed_without_evidence"]
    [{'item': 'git', 'line': 1, 'text': 'Create a git repository'}]
    """
    told = [(one, answers.get(str(one["item"]), "")) for one in found if one["item"]]

    def those(ticked: bool, verdict: str) -> list[dict[str, Any]]:
        return [
            {"item": one["item"], "line": one["line"], "text": one["text"]}
            for one, answer in told
            if one["ticked"] is ticked and answer == verdict
        ]

    return {
        "claimed_without_evidence": those(True, "no"),
        "evidence_without_claim": those(False, "yes"),
        "claimed_and_seen": those(True, "yes"),
        "claimed_and_cannot_tell": those(True, "cannot tell"),
        "unknown_lines": [{"line": one["line"], "text": one["text"]} for one in found if not one["item"]],
    }
