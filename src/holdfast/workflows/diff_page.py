"""A comparison of two versions as one HTML page that needs nothing else: no script, no request."""

import base64
import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.config.schema import AudioPrepare
from holdfast.core.errors import HoldfastError
from holdfast.core.markup import Markup, join, page_head, tag
from holdfast.core.refs import Ref
from holdfast.data import Version, open_version
from holdfast.data.diff import Diff
from holdfast.modality import prepare
from holdfast.workflows.comparison_page import look

_SHOWN = 24
"""Samples that the page shows of one kind of change: a picture is some 5 KB, a sound 40 KB."""
_NAMED = 200
_SOUND_S = 6
_RATE = 16000
_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#17212b, #dfe7ec); --soft: light-dark(#56656f, #98a8b3);
  --line: light-dark(#d8dfe4, #2b3a44); --ground: light-dark(#f6f8f9, #0e1519);
  --panel: light-dark(#fff, #172127); --bad: light-dark(#b3392c, #f0897c); }
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 76rem; margin: 1.5rem auto 4rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
ul { padding-left: 1.2rem; } a { color: inherit; } summary { cursor: pointer; }
.grid { display: flex; flex-wrap: wrap; gap: .9rem; margin-top: .6rem; }
figure { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: .6rem;
  margin: 0; width: 9.5rem; min-width: 0; }
.wide figure { width: 19rem; } figcaption { font-size: .8rem; margin-top: .3rem; }
img { display: block; max-width: 100%; border-radius: 6px; } audio { width: 100%; }
blockquote { margin: 0; font-size: .85rem; white-space: pre-wrap; max-height: 14rem; overflow: hidden; }
svg { display: block; width: 100%; height: auto; } svg rect { fill: var(--soft); }
"""
_TITLES = {
    "added": "Added",
    "removed": "Removed",
    "replaced": "Other bytes under the same name",
    "relabelled": "Relabelled",
    "regrouped": "In another group",
    "moved": "Moved between splits",
    "renamed": "Renamed",
    "edited": "With other metadata",
    "quarantined": "Newly quarantined",
    "released": "No longer quarantined",
}


def diff_page(found: Diff, result: Mapping[str, Any], root: Path) -> str:
    """The page as text.

    Args:
        found: the comparison.
        result: what `Diff.to_json` tells of it.
        root: the folder of all datasets, to read the samples that are shown.
    """
    title = f"{result['a']} → {result['b']}"
    head = page_head(title, _STYLE, allow="media-src data:")
    one, other = result["samples"]
    kinds = [kind for kind in _TITLES if result["counts"][kind]]
    contents = (
        tag("li", tag("a", f"{_TITLES[kind]}: {result['counts'][kind]:,}", href=f"#{kind}")) for kind in kinds
    )
    with ExitStack() as stack:
        old, new = (
            stack.enter_context(open_version(root, Ref(info.name, version=info.version)))
            for info in (found.before, found.after)
        )
        sections = [_section(kind, found, result, old, new) for kind in kinds]
    body = tag(
        "body",
        tag("h1", title),
        tag("p", f"{one:,} samples, then {other:,}", class_="soft"),
        tag("ul", *contents) if kinds else tag("p", "The same samples."),
        _table("label", [row for row in result["labels"] if _has_changed(row)]),
        _table("split", result["splits"]),
        tag("p", ", ".join(f"{way}: {count:,}" for way, count in result["moves"].items())),
        *sections,
    )
    return f"<!doctype html>{tag('html', head, body, lang='en')}\n"


def _section(kind: str, found: Diff, result: Mapping[str, Any], old: Version, new: Version) -> Markup:
    items = result[kind]
    pairs = _rows(kind, found)
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), _SHOWN)).round().astype(int))
    figures = []
    for place in chosen.tolist():
        before, after = pairs[place]
        shown = [(version, row) for version, row in ((old, before), (new, after)) if row is not None]
        shown = shown if kind == "replaced" else shown[-1:]
        pictures = [_sample(version, row) for version, row in shown]
        figures.append(tag("figure", *pictures, tag("figcaption", _caption(items[place]))))
    wide = "wide " if new.info.modality != "image" else ""
    listed = [tag("li", _caption(item)) for item in items[:_NAMED]]
    left = len(items) - len(listed)
    return tag(
        "section",
        tag("h2", f"{_TITLES[kind]}: {len(items):,}", id=kind),
        tag("div", *figures, class_=f"{wide}grid"),
        tag(
            "details",
            tag("summary", "names"),
            tag("ul", *listed),
            tag("p", f"and {left:,} more", class_="soft") if left > 0 else Markup(),
            open=not figures,
        ),
    )


def _rows(kind: str, found: Diff) -> Sequence[tuple[int | None, int | None]]:
    """The rows of both versions of each sample of a kind; none where its bytes are not stored."""
    if kind == "added":
        return [(None, row) for row in found.added.tolist()]
    if kind == "removed":
        return [(row, None) for row in found.removed.tolist()]
    if kind in ("quarantined", "released"):
        return []
    pairs = found.replaced if kind == "replaced" else found.changed[kind]
    return [(before, after) for before, after in pairs.tolist()]


def _sample(version: Version, row: int) -> Markup:
    """A sample as a small picture, as a sound to play, or as the beginning of its text."""
    if version.info.modality != "audio":
        return look(version, row)
    try:
        return join(look(version, row), _sound(version.read(row)))
    except HoldfastError as error:
        return tag("p", f"cannot be shown: {error.message}", class_="bad")


def _sound(data: bytes) -> Markup:
    """The first seconds of a recording, small."""
    import soundfile

    decoder = prepare(AudioPrepare(rate=_RATE, f_max=_RATE / 2, window_s=1, hop_s=1))
    sound = decoder.decode(data).ravel()[: _SOUND_S * _RATE]
    file = io.BytesIO()
    soundfile.write(file, sound, _RATE, format="MP3")
    coded = base64.b64encode(file.getvalue()).decode()
    return tag("audio", src=f"data:audio/mpeg;base64,{coded}", controls=True, preload="none")


def _caption(item: Any) -> Markup:
    if isinstance(item, str):
        return join(tag("bdi", item))
    said = ""
    if "before" in item:
        said = f": {_words(item['before'])} → {_words(item['after'])}"
    elif "reason" in item:
        said = f": {item['reason']}"
    elif "labels" in item:
        said = f" ({_words(item['labels'])}, {item['split']})"
    return join(tag("bdi", item["name"]), said)


def _words(value: Any) -> str:
    return ", ".join(value) or "no label" if isinstance(value, list) else str(value)


def _has_changed(row: Mapping[str, Any]) -> bool:
    return any(row[kind] for kind in ("added", "removed", "gained", "lost"))


def _table(first: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    if not rows:
        return Markup()
    head = tag("tr", *(tag("th", column) for column in rows[0]))
    body = (
        tag("tr", *(tag("td", value if key == first else f"{value:,}") for key, value in row.items()))
        for row in rows
    )
    return tag("div", tag("table", head, *body), class_="scroll")
