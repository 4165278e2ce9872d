"""What the journal of a server says of answers that were given."""

import json
from collections import Counter
from pathlib import Path

from holdfast.checklist.documents import at, read_yaml
from holdfast.core.errors import HoldfastError
from holdfast.monitor.stores import is_remote
from holdfast.report.draft import Said, counted, listed, quoted
from holdfast.workflows.filling_facts import Facts, Told

_MOST = 100_000
_SHOWN = 5
"""Labels of the most common that a sentence names."""


def journal(facts: Facts, told: Told) -> None:
    """Tell how many answers it has, of which models, from when to when, and which labels."""
    where = place(facts)
    if where is None:
        return
    from holdfast.workflows.journal import journal_show

    try:
        rows = journal_show(where, limit=_MOST)
    except (HoldfastError, OSError, KeyError, ValueError):  # of another release, or no journal at all
        return
    if not rows:
        return
    said = f"holdfast journal show '{_from(facts.project, where)}' --limit {_MOST} --json"
    whole = "Beside what was compacted, the journal" if _is_compacted(where) else "The journal"
    models = sorted({str(row["model"]) for row in rows})
    first, last = str(rows[-1]["time"]), str(rows[0]["time"])
    told.say(
        f"{whole} of the server has {counted(len(rows), 'prediction')} that it answered, of "
        f"{listed([quoted(model) for model in models])}, from {first[:16].replace('T', ' ')} to "
        f"{last[:16].replace('T', ' ')} (UTC).",
        Said(said, f'"time": "{first}"'),
        Said(said, f'"time": "{last}"'),
        *(Said(said, f'"model": "{model}"') for model in models[:3]),
    )
    labels = Counter(str(label) for row in rows for label in row.get("labels") or [])
    if labels:
        shown = listed(
            [f"{quoted(label)} {counted(count, 'time')}" for label, count in labels.most_common(_SHOWN)]
        )
        often = " most often" if len(labels) > _SHOWN else ""
        told.say(
            f"In these, the model{often} gave {shown}.",
            *(Said(said, json.dumps(label, ensure_ascii=False)) for label, _ in labels.most_common(_SHOWN)),
        )
    true = sum(row.get("truth") is not None for row in rows)
    if true:
        told.say(
            f"Of {counted(true, 'of them', 'of them')}, the true label was told later.",
            Said(said, '"truth": {'),
        )


def unread(facts: Facts) -> str:
    """What is left to people where the journal is in a bucket: that was not asked; empty where it is not."""
    where = _configured(facts)
    if where is None or not is_remote(where[0]):
        return ""
    return f"what the journal at {quoted(where[0])} holds, as buckets are not read for a draft"


def place(facts: Facts) -> str | None:
    """Where the journal is: as the workspace's or the project's settings say; no bucket is asked."""
    found = _configured(facts)
    if found is None or is_remote(found[0]) or "'" in found[0]:
        return None
    where, root = found
    return str((root / where.removeprefix("file://")).resolve())


def _configured(facts: Facts) -> tuple[str, Path] | None:
    """The journal that the settings name, and the folder that a path of theirs begins at."""
    path = facts.workspace.settings
    for document in read_yaml(path.read_text(encoding="utf-8", errors="replace")) if path else []:
        where = at(document, "serve", "journal", "where")
        if isinstance(where, str):
            return where, facts.workspace.home
    found = facts.repo.settings.get("serve.journal.where")
    return (str(found[2]), facts.project) if found else None


def _from(project: Path, where: str) -> str:
    """A path as it is typed in the project's folder."""
    root = project.resolve()
    return str(Path(where).relative_to(root)) if Path(where).is_relative_to(root) else where


def _is_compacted(where: str) -> bool:
    """Whether a part of it lies in Parquet, which `journal show` does not count."""
    return next(Path(where).rglob("*.parquet"), None) is not None
