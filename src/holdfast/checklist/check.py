"""Every item of the checklist, answered for one repository."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.checklist.counts import counts
from holdfast.checklist.items import ITEMS
from holdfast.checklist.repo import Repo
from holdfast.checklist.tree import shown


def check(folder: Path) -> dict[str, Any]:
    """What the files of a folder show of each item.

    Args:
        folder: the root of a repository.

    Returns:
        `items` (each with `answer`: yes, no or cannot tell, `evidence`, `why` and `help`), `sums` of the
        answers, `counts` of tests, files and packages by what is counted, `files` that were looked at, and
        `notes` on what was not.

    Raises:
        DataError: if the folder cannot be read.
    """
    with _uncollected():
        return _check(Repo(folder))


def _check(repo: Repo) -> dict[str, Any]:
    items = []
    for item in ITEMS:
        told = item.probe(repo).told()
        if told["answer"] == "no":
            told["help"] = item.help
        items.append(
            {
                "id": item.name,
                "title": item.title,
                "topic": item.topic,
                "generations": list(item.generations),
                **told,
            }
        )
    answers = Counter(str(item["answer"]) for item in items)
    return {
        "folder": shown(str(repo.tree.root)),
        "files": len(repo.tree.files),
        "sums": {answer: answers[answer] for answer in ("yes", "no", "cannot tell")},
        "counts": counts(repo),
        "items": items,
        "notes": list(dict.fromkeys(repo.tree.notes)),
    }


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles while millions of parts of syntax are kept: it took 44 % of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
