"""The command that holds a repository against the checklist. It loads what it needs only when it runs."""

import os
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import show

_COLOURS = {"yes": "32", "no": "31", "cannot tell": "33"}
_SIGNS = {"yes": "✓", "no": "✗", "cannot tell": "?"}
_WIDTH = 110
_CLAIMS = (
    ("claimed_without_evidence", "claimed, but not there"),
    ("evidence_without_claim", "there, but not claimed"),
    ("claimed_and_cannot_tell", "claimed, and the files cannot tell"),
    ("unknown_lines", "boxes of no item"),
)


def checklist(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", parser=opt.path, help="The root of a repository.")
    ] = Path(),
    report: Annotated[
        Path | None, typer.Option("--report", parser=opt.path, help="A filled-in report to hold against it.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", parser=opt.path, help="A file for a page.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Say which items of the checklist the files of DIR show: yes, no, or that they cannot tell.

    Nothing in DIR is run. Example: holdfast checklist . --report report/README.md
    """
    from holdfast.workflows.checklist import checklist as go_through

    show(go_through(folder, report=report, html=html), as_json, _told)


def _told(it: Mapping[str, Any]) -> str:
    lines: list[str] = []
    for topic, group in groupby(it["items"], lambda item: item["topic"]):
        items = list(group)
        right = sum(item["answer"] == "yes" for item in items)
        lines += [
            _coloured(f"{topic} ({right} of {len(items)})", "1"),
            *(line for one in items for line in _item(one)),
            "",
        ]
    lines += list(_claims(it.get("report")))
    sums = ", ".join(_coloured(f"{count} {answer}", _COLOURS[answer]) for answer, count in it["sums"].items())
    lines += [f"{sums}; {it['files']:,} files were looked at", *(f"! {note}" for note in it["notes"])]
    return "\n".join([*lines, *([f"page: {it['html']}"] if "html" in it else [])])


def _item(item: Mapping[str, Any]) -> Iterator[str]:
    sign = _coloured(_SIGNS[item["answer"]], _COLOURS[item["answer"]])
    said = [part for part in (item["why"], _seen(item), item["help"]) if part]
    first, *more = wrap("; ".join(said), _WIDTH - 22, break_on_hyphens=False) or [""]
    yield f"{sign} {item['id']:<18} {first}"
    for line in more:
        yield f"{'':21}{line}"


def _seen(item: Mapping[str, Any]) -> str:
    """The first pieces of evidence."""
    shown = item["evidence"][:2]
    told = [
        f"{one['file']}{'' if one['line'] is None else ':' + str(one['line'])} {one['seen'][:80]}"
        for one in shown
    ]
    more = len(item["evidence"]) - len(shown) + item["more"]
    return "; ".join([*told, *([f"and {more} more"] if more else [])])


def _claims(report: Mapping[str, Any] | None) -> Iterator[str]:
    for key, title in _CLAIMS if report else ():
        found = report[key] if report else []
        if found:
            yield _coloured(f"{title} ({len(found)})", "1")
            yield from (f"  line {one['line']}: {one.get('item', '')}  {one['text']}" for one in found)
            yield ""


def _coloured(text: str, code: str) -> str:
    is_plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if is_plain else f"\x1b[{code}m{text}\x1b[0m"
