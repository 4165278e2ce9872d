"""The checklist as one HTML page that needs nothing else: no script, no request."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from holdfast.core.markup import Markup, join, page_head, tag

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#17212b, #dfe7ec); --soft: light-dark(#56656f, #98a8b3);
  --line: light-dark(#d8dfe4, #2b3a44); --ground: light-dark(#f6f8f9, #0e1519);
  --yes: light-dark(#1d6b3a, #6fcf97);
  --no: light-dark(#b3392c, #f0897c);
  --open: light-dark(#7a5f00, #dfc04f); }
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 1.5rem auto 4rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } code { font-size: .88em; }
table { border-collapse: collapse; width: 100%; } ul { margin: 0; padding-left: 1.1rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-top: 1px solid var(--line); }
th { width: 17rem; font-weight: 600; } td.answer { width: 6.5rem; font-weight: 600; white-space: nowrap; }
.yes { color: var(--yes); } .no { color: var(--no); } .open { color: var(--open); }
"""
_CLASSES = {"yes": "yes", "no": "no", "cannot tell": "open"}
_CLAIMS = {
    "claimed_without_evidence": "Claimed, but not there",
    "evidence_without_claim": "There, but not claimed",
    "claimed_and_cannot_tell": "Claimed, and the files cannot tell",
    "unknown_lines": "Boxes of no item",
}


def checklist_page(result: Mapping[str, Any]) -> str:
    """The page as text.

    Args:
        result: what `check` tells, with `report` where one was held against it.
    """
    title = f"Checklist of {result['folder']}"
    sums = ", ".join(f"{count} {answer}" for answer, count in result["sums"].items())
    body = tag(
        "body",
        tag("h1", title),
        tag("p", f"{sums}; {result['files']:,} files were looked at", class_="soft"),
        *(tag("p", note, class_="soft") for note in result["notes"]),
        *_claims(result.get("report")),
        *(
            _topic(topic, list(items))
            for topic, items in groupby(result["items"], lambda item: item["topic"])
        ),
    )
    return f"<!doctype html>{tag('html', page_head(title, _STYLE), body, lang='en')}\n"


def _topic(topic: str, items: list[Mapping[str, Any]]) -> Markup:
    right = sum(item["answer"] == "yes" for item in items)
    rows = [
        tag(
            "tr",
            tag("th", item["title"], tag("br"), tag("code", item["id"], class_="soft"), scope="row"),
            tag("td", item["answer"], class_=f"answer {_CLASSES[item['answer']]}"),
            tag("td", *_told(item)),
        )
        for item in items
    ]
    return tag("section", tag("h2", f"{topic}: {right} of {len(items)}"), tag("table", *rows))


def _told(item: Mapping[str, Any]) -> Iterator[str]:
    if item["why"]:
        yield tag("p", item["why"])
    if item["evidence"]:
        more = [tag("li", f"and {item['more']} more", class_="soft")] if item["more"] else []
        yield tag(
            "ul",
            *(tag("li", tag("code", place(seen)), " ", seen["seen"]) for seen in item["evidence"]),
            *more,
        )
    if item["help"]:
        yield tag("p", *_words(item["help"]), class_="soft")


def _words(text: str) -> Iterator[str]:
    """Words with what stands between backticks as code."""
    for index, part in enumerate(text.split("`")):
        yield tag("code", part) if index % 2 else part


def _claims(report: Mapping[str, Any] | None) -> Iterator[Markup]:
    for key, title in _CLAIMS.items() if report else ():
        lines = report[key] if report else []
        if lines:
            listed = [
                tag("li", tag("code", str(one.get("item", ""))), f" line {one['line']}: {one['text']}")
                for one in lines
            ]
            yield tag("section", tag("h2", f"{title}: {len(lines)}"), tag("ul", *listed))


def place(seen: Mapping[str, Any]) -> str:
    """Where a piece of evidence is.

    >>> place({"file": "a.py", "line": 3})
    'a.py:3'
    """
    return join(seen["file"], "" if seen["line"] is None else f":{seen['line']}")
