"""A paper: sections of words, tables and charts, written as Markdown or as one HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.core.markup import Markup, join, page_head, tag


@dataclass(frozen=True)
class Table:
    """Rows under the names of their columns; numbers stand to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """A drawing, as SVG of the look classes of `_STYLE`.

    Attributes:
        name: of its file, without an ending, where it becomes one.
        title: what it shows, in words that do without it.
        keys: names of its lines, in the order of their looks.
    """

    name: str
    title: str
    svg: Markup
    keys: Sequence[str] = ()


@dataclass(frozen=True)
class Code:
    """Commands, one a line."""

    text: str


@dataclass(frozen=True)
class Items:
    """Sentences or facts, a line each."""

    lines: Sequence[str]


Block = str | Table | Chart | Code | Items
Section = tuple[str, Sequence[Block]]

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#17212b, #dfe7ec); --soft: light-dark(#56656f, #98a8b3);
  --line: light-dark(#d8dfe4, #2b3a44); --ground: light-dark(#f6f8f9, #0e1519);
  --panel: light-dark(#fff, #172127); --bar: light-dark(#0b6e99, #58b4dc); }
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); font: 15.5px/1.55 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto 5rem; padding: 0 1.2rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; letter-spacing: -.02em; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; } p { margin: .5rem 0; max-width: 44rem; }
nav ul { columns: 14rem; padding-left: 1.1rem; } a { color: inherit; } ul { padding-left: 1.2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem 1.4rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { font-weight: 600; }
td.number, th.number { text-align: right; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem;
  overflow-x: auto; } code { font: .88em ui-monospace, monospace; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: .8rem; min-width: 0; } figcaption { font-size: .85rem; color: var(--soft); margin-top: .4rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .value { fill: var(--ink); }
svg .rule { stroke: var(--line); } svg .bar { fill: var(--bar); } svg .track { fill: var(--line); }
svg .cell { fill: var(--bar); } svg .whisker { stroke: var(--ink); stroke-width: 1.4; }
svg polyline { fill: none; stroke: var(--look); stroke-width: 1.8; } svg circle { fill: var(--look); }
.key { margin-right: 1.2em; } .key::before { content: ""; display: inline-block; width: 1.1em;
  border-top: 3px solid var(--look); margin-right: .45em; vertical-align: .3em; }
.look0 { --look: light-dark(#0b6e99, #58b4dc); } .look1 { --look: light-dark(#c2571a, #f2a06b); }
.look2 { --look: light-dark(#3d7a2e, #8ccf78); } .look3 { --look: light-dark(#8a3fa0, #d292e6); }
@media print { html { background: #fff; font-size: 11px; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } nav { display: none; } }
"""


def as_html(title: str, lead: str, sections: Sequence[Section]) -> str:
    """One page that needs nothing else: no script, no request, in light, in dark and on paper."""
    contents = tag(
        "nav",
        tag("ul", *(tag("li", tag("a", name, href=f"#s{at}")) for at, (name, _) in enumerate(sections))),
        aria_label="Contents",
    )
    body = [tag("h1", title), tag("p", lead), contents]
    for at, (name, blocks) in enumerate(sections):
        body.append(tag("section", tag("h2", name, id=f"s{at}"), *_laid(blocks)))
    page = tag("html", page_head(title, _STYLE), tag("body", tag("main", *body)), lang="en")
    return f"<!doctype html>\n{page}\n"


def as_markdown(title: str, lead: str, sections: Sequence[Section], *, figures: str) -> str:
    """The same as Markdown; charts are links to files.

    Args:
        figures: the folder of the charts' files, as the text is to name it.

    >>> print(as_markdown("A", "b.", [("C", [Items(["x < y"])])], figures="f"))
    # A
    <BLANKLINE>
    b.
    <BLANKLINE>
    ## C
    <BLANKLINE>
    - x &lt; y
    <BLANKLINE>
    """
    blocks = [f"# {_plain(title)}", _plain(lead)]
    for name, parts in sections:
        blocks += [f"## {_plain(name)}", *(_written(part, figures) for part in parts)]
    return "\n\n".join(blocks) + "\n"


def charts_of(sections: Sequence[Section]) -> list[Chart]:
    """All charts, in their order."""
    return [block for _, blocks in sections for block in blocks if isinstance(block, Chart)]


def as_svg(chart: Chart) -> str:
    """A chart as a file of its own, with its looks in it, on white."""
    style = "svg { color-scheme: light; background: #fff; }\n" + _STYLE
    first, rest = chart.svg.split(">", 1)
    return f'{first} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{rest}'


def _laid(blocks: Sequence[Block]) -> list[Markup]:
    """Blocks as markup; charts that follow each other stand side by side."""
    laid: list[Markup] = []
    row: list[Markup] = []
    for block in blocks:
        if isinstance(block, Chart):
            row.append(_figure(block))
            continue
        if row:
            laid.append(tag("div", *row, class_="charts"))
            row = []
        laid.append(_drawn(block))
    return [*laid, tag("div", *row, class_="charts")] if row else laid


def _figure(chart: Chart) -> Markup:
    keys = [tag("span", name, class_=f"key look{at}") for at, name in enumerate(chart.keys)]
    return tag("figure", chart.svg, tag("figcaption", *keys, chart.title))


def _drawn(block: Block) -> Markup:
    if isinstance(block, Table):
        numeric = [all(_is_number(row[at]) for row in block.rows) for at in range(len(block.columns))]
        kinds = ["number" if it else None for it in numeric]
        head = (tag("th", name, class_=kind) for name, kind in zip(block.columns, kinds, strict=True))
        rows = (
            tag("tr", *(tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
            for row in block.rows
        )
        return tag("div", tag("table", tag("tr", *head), *rows), class_="scroll")
    if isinstance(block, Code):
        return tag("pre", tag("code", block.text))
    if isinstance(block, Items):
        return tag("ul", *(tag("li", line) for line in block.lines))
    assert isinstance(block, str)
    return tag("p", block)


def _written(block: Block, figures: str) -> str:
    if isinstance(block, Table):
        lines = [block.columns, ["---"] * len(block.columns), *block.rows]
        return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
    if isinstance(block, Chart):
        return f"![{_plain(block.title)}]({figures}/{block.name}.svg)"
    if isinstance(block, Code):
        return "\n".join("    " + line for line in block.text.splitlines())
    if isinstance(block, Items):
        return "\n".join(f"- {_plain(line)}" for line in block.lines)
    return _plain(block)


def _plain(text: str) -> str:
    """Text of which Markdown makes nothing else."""
    escaped = str(join(text)).replace("\\", "\\\\")
    for mark in "*_`[]":
        escaped = escaped.replace(mark, "\\" + mark)
    return " ".join(escaped.split())


def _cell(text: str) -> str:
    return text if text == "---" else _plain(text).replace("|", "\\|")


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text in ("–", "")
