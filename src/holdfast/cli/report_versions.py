"""What the commands about versions say to a person at a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.cli.show import cell, table

_SIGNS = {
    "added": "+",
    "removed": "−",
    "relabelled": "~",
    "regrouped": "g",
    "moved": "→",
    "renamed": "r",
    "replaced": "=",
    "edited": "m",
    "quarantined": "✗",
    "released": "✓",
}
_WORDS = {
    "added": "added",
    "removed": "removed",
    "replaced": "of these have other bytes under the same name",
    "relabelled": "relabelled",
    "regrouped": "in another group",
    "moved": "moved between splits",
    "renamed": "renamed",
    "edited": "with other metadata",
    "quarantined": "newly quarantined",
    "released": "no longer quarantined",
}


def datasets(rows: Sequence[Mapping[str, Any]], *, empty: str) -> str:
    """A line a dataset; below, those that cannot be read, and why."""
    columns = ["name", "version", "modality", "task", "samples", "quarantined", "created"]
    damaged = [f"✗ {row['name']}: no version can be read: {row['error']}" for row in rows if row["error"]]
    return "\n".join([table(rows, columns, empty=empty), *damaged])


def log(result: Mapping[str, Any]) -> str:
    """A line a version, newest first; below, what happened to tags and versions."""
    rows = [
        {
            **row,
            "tags": ", ".join(row["tags"]),
            "changes": row.get("error") or in_short(row["changes"]),
            "fingerprint": (row["fingerprint"] or "-")[:12],
        }
        for row in result["versions"]
    ]
    columns = ["version", "tags", "created", "samples", "changes", "fingerprint", "source"]
    events = [f"{line['time']}  {line['actor']}  {_event(line)}" for line in result["events"]]
    return "\n".join([table(rows, columns), *([""] if events else []), *events])


def in_short(counts: Mapping[str, int] | None) -> str:
    """The counts of a comparison in one line.

    >>> in_short({"added": 3, "removed": 0, "relabelled": 1})
    '+3 ~1'
    """
    if counts is None:
        return ""
    kinds = [kind for kind in _SIGNS if kind != "replaced" and counts.get(kind)]
    return " ".join(f"{_SIGNS[kind]}{counts[kind]:,}" for kind in kinds) or "same samples"


def comparison(limit: int) -> Any:
    """How to show what `data diff` found, with at most `limit` names of each kind."""

    def text(result: Mapping[str, Any]) -> str:
        counts = result["counts"]
        head = f"{result['a']} ({result['samples'][0]:,} samples) → {result['b']} ({result['samples'][1]:,})"
        lines = [head, *(f"  {_SIGNS[kind]} {n:,} {_WORDS[kind]}" for kind, n in counts.items() if n)]
        if not any(counts.values()):
            lines.append("  the same samples")
        lines += [f"    {way}: {count:,}" for way, count in result["moves"].items()]
        labels = [row for row in result["labels"] if _has_changed(row)]
        if labels:
            columns = ["label", "before", "after", "added", "removed", "gained", "lost"]
            lines += ["", table(labels[:limit], columns), *_more(labels, limit)]
        if any(_has_changed(row) for row in result["splits"]):
            lines += ["", table(result["splits"], ["split", "before", "after", "added", "removed"])]
        for kind in _SIGNS:
            shown = [f"{_SIGNS[kind]} {_sample(item)}" for item in result[kind][:limit]]
            lines += [*([""] if shown else []), *shown, *_more(result[kind], limit)]
        if "html" in result:
            lines += ["", f"page: {result['html']}"]
        return "\n".join(lines)

    return text


def tagged(result: Mapping[str, Any]) -> str:
    """Where a tag points now."""
    tag, ref, previous = result["tag"], result["ref"], result["previous"]
    if ref is None:
        return f"{tag} is taken away from {previous or 'a version that nobody knows'}"
    if result["unchanged"]:
        return f"{tag} is {ref} already"
    return f"{tag} is {ref}" + (f", no longer {previous}" if previous else "")


def checked_out(result: Mapping[str, Any]) -> str:
    """What a checkout did."""
    counts = [f"{result[kind]:,} {kind}" for kind in ("written", "kept", "removed") if result[kind]]
    lines = [f"{result['ref']} in {result['folder']}: {', '.join(counts) or 'no files'}"]
    if result["texts"]:
        lines.append(f"{result['texts']:,} texts are in {result['table']}")
    lines += [f"! {name} was changed there, and is not of this version; it stays" for name in result["left"]]
    return "\n".join(lines)


def removed(result: Mapping[str, Any]) -> str:
    """That a version is gone."""
    name = result["ref"].partition("@")[0]
    left = ", ".join(map(str, result["left"])) or "none"
    return f"{result['ref']} is removed (left: {left}); `holdfast data gc {name}` frees its bytes"


def collected(result: Mapping[str, Any]) -> str:
    """What a collection freed."""
    lines = [
        f"{result['name']}: {result['freed_bytes'] / 1e6:,.1f} MB freed "
        f"({result['removed']} shards removed, {result['written']} written)"
    ]
    if result["in_use"]:
        lines.append(f"! {len(result['in_use'])} shards are in use; run this again later")
    return "\n".join(lines)


def verification(result: Mapping[str, Any]) -> str:
    """Each thing that is damaged."""
    lines = [f"✗ {fault['kind']} {fault['name']}: {fault['reason']}" for fault in result["faults"]]
    if not lines:
        return f"{result['ref']}: all {result['samples']:,} samples are as they were stored"
    return "\n".join([f"{result['ref']}: {len(lines)} faults", *lines, f"hint: {result['hint']}"])


def _event(line: Mapping[str, Any]) -> str:
    if line["event"] == "tag":
        before = f" (before: {line['previous']})" if line["previous"] else ""
        return f"tag {line['tag']} → version {line['version']}{before}"
    if line["event"] == "untag":
        return f"tag {line['tag']} taken away"
    said = [f"{key} {cell(line[key])}" for key in ("reason", "freed_bytes") if line.get(key) is not None]
    version = f" version {line['version']}" if line["version"] else ""
    return ", ".join([f"{line['event']}{version}", *said])


def _has_changed(row: Mapping[str, Any]) -> bool:
    return row["before"] != row["after"] or any(
        row.get(kind) for kind in ("added", "removed", "gained", "lost")
    )


def _sample(item: Any) -> str:
    if isinstance(item, str):
        return item
    if "before" in item:
        return f"{item['name']}: {cell(item['before'])} → {cell(item['after'])}"
    if "reason" in item:
        return f"{item['name']}: {item['reason']}"
    said = f" ({cell(item['labels'])})" if item.get("labels") else ""
    return f"{item['name']}{said}"


def _more(items: Sequence[object], limit: int) -> list[str]:
    return [f"  … and {len(items) - limit:,} more (--limit, --json)"] if len(items) > limit else []
