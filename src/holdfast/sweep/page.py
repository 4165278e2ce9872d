"""A sweep on one HTML page that needs nothing else: no network, no script."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from holdfast.core.files import write_text
from holdfast.sweep import charts

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#17212b, #dfe7ec); --soft: light-dark(#5b6b78, #93a3af);
  --line: light-dark(#d8dfe4, #2b3a44); --ground: light-dark(#fff, #0e1519);
  --main: light-dark(#0b6e99, #58b4dc); --bad: light-dark(#b3392c, #e57c6f); }
html { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
p, li { color: var(--soft); margin: .2rem 0; } p.empty { font-style: italic; }
pre { background: light-dark(#f2f5f7, #17222a); padding: .7rem 1rem; border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); }
svg .tick { fill: var(--soft); font-size: 11px; paint-order: stroke;
  stroke: var(--ground); stroke-width: 3px; }
svg line.grid, svg line.axis { stroke: var(--line); }
svg polyline { fill: none; stroke: var(--main); stroke-width: 1.6; } svg polyline.best { opacity: .5; }
svg .bar, svg circle { fill: var(--main); } svg circle.pruned { fill: var(--ground); stroke: var(--main); }
svg circle.failed { fill: var(--bad); } svg circle.running { fill: var(--soft); }
svg g.pruned { opacity: .35; } svg g.failed polyline { stroke: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); }
th, td { white-space: nowrap; }
td.why { white-space: normal; } tr.first td { font-weight: 600; } tr.failed td { color: var(--bad); }
"""


_KEY = "<p>full: finished; hollow: cut, with its best epoch until then; red, at the bottom: failed</p>"


def write_page(path: Path, result: Mapping[str, Any]) -> None:
    """Put the page at a path, atomically.

    Args:
        result: what `workflows.sweeping.sweep` tells of a sweep.
    """
    write_text(path, page(result))


def page(result: Mapping[str, Any]) -> str:
    """The page as text."""
    trials, metric = result["trials"], result["metric"]
    maximize = result["goal"] == "maximize"
    counts = ", ".join(f"{count} {state}" for state, count in result["counts"].items() if count)
    sections = [
        ("Best", _best(result)),
        ("History", _KEY + charts.history(trials, metric=metric, maximize=maximize)),
        ("Which dial matters", charts.importance(result["importance"])),
        (
            "Settings side by side",
            charts.parallel(trials, metric=metric, maximize=maximize, log=result["log_scale"]),
        ),
        ("Epoch by epoch", charts.curves(trials, metric=metric)),
        ("Trials", _table(result)),
        ("What was varied", _list([*result["dials"], *result["notes"]])),
    ]
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections)
    name = escape(result["sweep"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sweep {name}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>"
        f"<h1>Sweep {name}</h1><p>{escape(result['dataset'])}; {metric} of the validation split, "
        f"to {result['goal']}; {result['method']}, pruning: {result['pruning']}; "
        f"{counts or 'no trials yet'}</p>"
        f"{body}</body></html>\n"
    )


def _best(result: Mapping[str, Any]) -> str:
    best = result["best"]
    if best is None:
        return '<p class="empty">no trial has finished yet</p>'
    return (
        f"<p>trial {best['number'] + 1}: {result['metric']} {best['value']:.4g} on the validation split. "
        "The best of many is a little too good by chance; its test score is measured when this trains it:</p>"
        f"<pre>{escape(result['command'])}</pre>"
    )


def _table(result: Mapping[str, Any]) -> str:
    keys = list(result["trials"][0]["settings"]) if result["trials"] else []
    best = result["best"]["number"] if result["best"] else None
    sign = -1 if result["goal"] == "maximize" else 1
    rows = sorted(
        result["trials"],
        key=lambda it: (it["state"] != "finished", it["value"] is None, sign * (it["value"] or 0.0)),
    )
    heads = ["trial", "state", result["metric"], "epochs", "seconds", *keys, "run"]
    lines = [f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"]
    for row in rows:
        cells = [row["number"] + 1, row["state"], row["value"], row["epochs"], round(row["seconds"], 1)]
        cells += [*(row["settings"].get(key) for key in keys), row["run"]]
        kind = "first" if row["number"] == best else row["state"]
        lines.append(f'<tr class="{kind}">{"".join(f"<td>{_cell(cell)}</td>" for cell in cells)}</tr>')
        if row["reason"]:
            lines.append(
                f'<tr class="failed"><td></td><td class="why" colspan="9">{escape(row["reason"])}</td></tr>'
            )
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _list(items: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
