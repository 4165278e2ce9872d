"""The findings of a check as one HTML page that needs nothing else: no script, no request."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.core.markup import Markup, join, page_head, tag
from holdfast.data import SPLITS, Version
from holdfast.workflows.comparison_page import look

_SHOWN = 24
"""Examples that the page shows of one finding: each is some 5 KB."""
_LABELS = 300
_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#17212b, #dfe7ec); --soft: light-dark(#56656f, #98a8b3);
  --line: light-dark(#d8dfe4, #2b3a44); --ground: light-dark(#f6f8f9, #0e1519);
  --panel: light-dark(#fff, #172127); --error: light-dark(#b3392c, #f0897c);
  --warning: light-dark(#8a6d00, #dfc04f); --info: light-dark(#0b6e99, #58b4dc); }
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 76rem; margin: 1.5rem auto 4rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } .bad { color: var(--error); }
.level { font-size: .75rem; text-transform: uppercase; letter-spacing: .05em; margin-right: .6em; }
.error { color: var(--error); } .warning { color: var(--warning); } .info { color: var(--info); }
ul { padding-left: 1.2rem; } a { color: inherit; }
.grid { display: flex; flex-wrap: wrap; gap: .9rem; margin-top: .6rem; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: .6rem;
  display: flex; gap: .6rem; max-width: 100%; }
th, td { text-align: left; padding: .2rem 1.2rem .2rem 0; font-variant-numeric: tabular-nums; }
figure { margin: 0; width: 8.5rem; min-width: 0; } .wide figure { width: 15rem; }
figcaption { font-size: .8rem; } img { display: block; border-radius: 6px; }
blockquote { margin: 0 0 .3rem; font-size: .85rem; white-space: pre-wrap;
  max-height: 14rem; overflow: hidden; }
svg { display: block; width: 100%; height: auto; } svg rect { fill: var(--soft); }
"""


def check_page(result: Mapping[str, Any], version: Version) -> str:
    """The page as text.

    Args:
        result: what `data_check` tells.
        version: where the samples are read from.
    """
    title = f"{result['dataset']}@{result['version']}: what a check found"
    head = page_head(title, _STYLE)
    facts = f"{result['samples']:,} samples, fingerprint {result['fingerprint'][:12]}"
    found = result["findings"]
    contents = [
        tag("li", _level(item), tag("a", item["title"], href=f"#f{place}"))
        for place, item in enumerate(found)
    ]
    body = tag(
        "body",
        tag("h1", title),
        tag("p", facts, class_="soft"),
        tag("ul", *contents) if found else tag("p", "Nothing was found."),
        *(_section(item, place, version) for place, item in enumerate(found)),
        tag("section", tag("h2", "Labels"), _labels(result["labels"])),
    )
    return f"<!doctype html>{tag('html', head, body, lang='en')}\n"


def _labels(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Samples of each label by split, and what share of the split they are; the first few hundred."""
    sums = {split: sum(row[split] for row in rows) or 1 for split in SPLITS}
    lines = [
        tag(
            "tr",
            tag("td", row["label"]),
            *(tag("td", f"{row[s]:,} ({row[s] / sums[s]:.1%})") for s in SPLITS),
        )
        for row in rows[:_LABELS]
    ]
    left = f"{len(rows) - len(lines):,} labels are not shown." if len(rows) > len(lines) else ""
    head = tag("tr", *(tag("th", name) for name in ("label", *SPLITS)))
    return join(tag("table", head, *lines), tag("p", left, class_="soft"))


def _section(item: Mapping[str, Any], place: int, version: Version) -> Markup:
    examples = item["examples"][:_SHOWN]
    cards = [
        tag("article", *(_figure(sample, version) for sample in part), class_="card") for part in examples
    ]
    wide = " wide" if version.info.modality == "text" else ""
    left = f"{len(examples)} examples are shown." if item["count"] > len(examples) > 0 else ""
    return tag(
        "section",
        tag("h2", _level(item), item["title"]),
        tag("p", item["detail"]),
        tag("p", left, class_="soft"),
        tag("div", *cards, class_=f"grid{wide}"),
        id=f"f{place}",
    )


def _level(item: Mapping[str, Any]) -> Markup:
    return tag("span", item["level"], class_=f"level {item['level']}")


def _figure(sample: Mapping[str, Any], version: Version) -> Markup:
    return tag(
        "figure",
        look(version, sample["row"]),
        tag(
            "figcaption",
            tag("b", ", ".join(sample["labels"]) or "no label"),
            join(" · ", sample["split"]),
            tag("br"),
            tag("bdi", sample["name"], class_="soft"),
        ),
    )
