"""What the journal of a server says of answers that were given."""

from collections import Counter
from pathlib import Path

from holdfast.checklist.documents import at, read_yaml
from holdfast.core.errors import HoldfastError
from holdfast.monitor.stores import is_remote
from holdfast.report.draft import Said, counted, listed, quoted
from holdfast.workflows.filling_facts import Facts, Told

_MOST = 100_000


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
    said = f"holdfast journal show '{where}' --limit {_MOST} --json"
    models = sorted({str(row["model"]) for row in rows})
    first, last = str(rows[-1]["time"]), str(rows[0]["time"])
    told.say(
        f"The journal of the server has {counted(len(rows), 'prediction')} that it answered, of "
        f"{listed([quoted(model) for model in models])}, from {first[:16].replace('T', ' ')} to "
        f"{last[:16].replace('T', ' ')} (UTC).",
        Said(said, f'"time": "{first}"'),
        Said(said, f'"time": "{last}"'),
        *(Said(said, f'"model": "{model}"') for model in models[:3]),
    )
    labels = Counter(str(label) for row in rows for label in row.get("labels") or [])
    if labels:
        shown = listed(
            [f"{quoted(label)} {counted(count, 'time')}" for label, count in labels.most_common(5)]
        )
        told.say(f"In these, the model gave {shown}.", Said(said, f'"{labels.most_common(1)[0][0]}"'))
    true = sum(row.get("truth") is not None for row in rows)
    if true:
        told.say(
            f"Of {counted(true, 'of them', 'of them')}, the true label was told later.",
            Said(said, '"truth": {'),
        )


def place(facts: Facts) -> str | None:
    """Where the journal is: as the workspace's or the project's settings say; no bucket is asked."""
    path = facts.workspace.settings
    for document in read_yaml(path.read_text(encoding="utf-8", errors="replace")) if path else []:
        where = at(document, "serve", "journal", "where")
        if isinstance(where, str):
            return _local(where, facts.workspace.home)
    found = facts.repo.settings.get("serve.journal.where")
    return _local(str(found[2]), facts.project) if found else None


def _local(where: str, root: Path) -> str | None:
    if is_remote(where) or "'" in where:
        return None
    return str((root / where.removeprefix("file://")).resolve())
