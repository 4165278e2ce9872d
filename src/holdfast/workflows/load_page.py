"""A load test as one HTML page that needs nothing else, and as a table for programs."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.core.markup import Markup, page_head, tag
from holdfast.workflows.line_chart import line_chart

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#17212b, #dfe7ec); --soft: light-dark(#56656f, #98a8b3);
  --line: light-dark(#d8dfe4, #2b3a44); --ground: light-dark(#f6f8f9, #0e1519);
  --panel: light-dark(#fff, #172127); }
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 1.5rem auto 4rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
.grid { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: .8rem;
  min-width: 0; }
.big { font-size: 1.5rem; font-weight: 600; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg .rule { stroke: var(--line); } svg polyline { fill: none; stroke: var(--look); stroke-width: 1.8; }
svg circle { fill: var(--look); }
.key { margin-right: 1.2em; font-size: .85rem; }
.key::before { content: ""; display: inline-block; width: 1.1em; border-top: 3px solid var(--look);
  margin-right: .45em; vertical-align: .3em; }
.look0 { --look: light-dark(#0b6e99, #58b4dc); } .look1 { --look: light-dark(#c2571a, #f2a06b); }
.look2 { --look: light-dark(#3d7a2e, #8ccf78); } .look3 { --look: light-dark(#8a3fa0, #d292e6); }
"""
_TIMES = ("p50", "p90", "p95", "p99")
_COLUMNS = ("users", "rate", "seconds", "requests", "good", "throughput", *(f"{it}_ms" for it in _TIMES))


def load_page(result: Mapping[str, Any]) -> str:
    """The page as text.

    Args:
        result: what `loadtest` gives.
    """
    title = f"{result['model']} under load"
    steps = result["steps"]
    body = tag(
        "body",
        tag("h1", title),
        tag("p", f"{result['url']}, {result['samples']}", class_="soft"),
        *(tag("p", f"! {note}") for note in result["notes"]),
        _headline(result),
        _curves([step for step in steps if step["rate"] is not None], result["knee"]),
        tag("section", tag("h2", "Each step"), tag("div", _table(steps), class_="scroll")),
        tag("p", "Times are those of good answers, from sending to the last byte.", class_="soft"),
    )
    return f"<!doctype html>{tag('html', page_head(title, _STYLE), body, lang='en')}\n"


def steps_csv(steps: Sequence[Mapping[str, Any]]) -> str:
    """The steps as CSV with a head; `errors` is such as `503: 12, no answer: 1`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*_COLUMNS, "errors", "client_cpu"])
    for step in steps:
        row = [step[column] for column in _COLUMNS]
        writer.writerow(
            ["" if value is None else value for value in row] + [_errors(step), step["client_cpu"]]
        )
    return file.getvalue()


def load_name(step: Mapping[str, Any]) -> str:
    """The load of a step in words.

    >>> load_name({"users": 8, "rate": None}), load_name({"users": None, "rate": 42.5})
    ('8 users', '42.5 /s')
    """
    if step["rate"] is not None:
        return f"{step['rate']:.4g} /s"
    return f"{step['users']} user" + ("" if step["users"] == 1 else "s")


def _errors(step: Mapping[str, Any]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in step["errors"].items())


def _headline(result: Mapping[str, Any]) -> Markup:
    knee, most = result["knee"], result["saturation"]
    facts = [
        (f"{most['throughput']:,.4g} /s", "at most"),
        (
            f"{knee['rate']:,.4g} /s" if knee else "none",
            "at the knee: up to here, answers are as good as at rest",
        ),
    ]
    if knee:
        facts.append((f"{knee['p95_ms']:.4g} ms", "there for 95 of 100 answers at most"))
    cards = (
        tag("div", tag("p", value, class_="big"), tag("p", what, class_="soft"), class_="card")
        for value, what in facts
    )
    return tag("div", *cards, class_="grid")


def _curves(steps: Sequence[Mapping[str, Any]], knee: Mapping[str, Any] | None) -> Markup:
    times = [
        [(step["rate"], step[f"{name}_ms"]) for step in steps if step[f"{name}_ms"] is not None]
        for name in ("p50", "p95", "p99")
    ]
    tops = [y for line in times for _, y in line]
    if not tops:
        return Markup("")
    upright = [[(knee["rate"], 0.0), (knee["rate"], max(tops))]] if knee else []
    names = ["p50", "p95", "p99", *(["knee"] if knee else [])]
    answered = [
        [(step["rate"], step["throughput"]) for step in steps],
        [(step["rate"], step["rate"]) for step in steps],
    ]
    return tag(
        "section",
        tag("h2", "Times and answers over the rate of requests"),
        tag(
            "div",
            _card("milliseconds", [*times, *upright], names),
            _card("answers in a second", answered, ["answered", "asked"]),
            class_="grid",
        ),
    )


def _card(title: str, lines: Sequence[Sequence[tuple[float, float]]], names: Sequence[str]) -> Markup:
    keys = (tag("span", name, class_=f"key look{place}") for place, name in enumerate(names))
    return tag(
        "div",
        tag("p", title, class_="soft"),
        line_chart(title, lines, names),
        tag("p", *keys, tag("span", "over requests in a second", class_="soft")),
        class_="card",
    )


def _table(steps: Sequence[Mapping[str, Any]]) -> Markup:
    head = ("load", "seconds", "requests", "answers/s", *(f"{name} ms" for name in _TIMES), "errors")
    rows = (
        (
            load_name(step),
            f"{step['seconds']:.1f}",
            f"{step['requests']:,}",
            f"{step['throughput']:,.1f}",
            *("-" if step[f"{name}_ms"] is None else f"{step[f'{name}_ms']:.1f}" for name in _TIMES),
            _errors(step) or "-",
        )
        for step in steps
    )
    return tag(
        "table",
        tag("tr", *(tag("th", name) for name in head)),
        *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows),
    )
