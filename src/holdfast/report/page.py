"""A report as one HTML page that needs nothing else: no script, no request, nothing that could do harm."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from holdfast.core.files import digest_bytes
from holdfast.core.markup import Markup, join, page_head, tag
from holdfast.report.check import Checked, Finding, Verdict
from holdfast.report.checklist import Item
from holdfast.report.constraints import Span
from holdfast.report.document import Report
from holdfast.report.embed import Embedder
from holdfast.report.footnotes import footnotes_of
from holdfast.report.render import Renderer

_ITEMS = 1_000
"""Of a checklist that the page shows."""
_STYLE = Path(__file__).with_name("page.css")
_STATES = {"good": "keeps to its limits", "bad": "falls short", "open": "not answered"}


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        html: all of it.
        pictures: how many were put in.
        left_out: those that were not, and why.
        plain: texts that are shown as they were written, by the id of their question, and why.
    """

    html: str
    pictures: int
    left_out: tuple[tuple[str, str], ...]
    plain: tuple[tuple[str, str], ...]


def report_page(report: Report, checked: Checked, folder: Path, *, name: str) -> Page:
    """A report and what was found about it, for a reader.

    Args:
        report: what anybody may have written.
        checked: what `check_report` found.
        folder: where it lies, for its pictures.
        name: of its file.
    """
    pictures = Embedder(folder)
    footnotes = footnotes_of(report)
    renderer = Renderer(pictures, footnotes)
    title = report.title or name
    main = tag(
        "main",
        *(_whole(checked.problems) if checked.problems else ()),
        *_sections(checked.verdicts, renderer),
        *_checklist(report.checklist, renderer),
        *_before(footnotes.without(report.preamble), renderer),
    )
    made = f"Made by Holdfast from {name} ({digest_bytes(report.text.encode())[:12]})."
    page = tag(
        "div",
        _top(title, report, checked),
        _contents(report, checked.verdicts),
        main,
        tag("footer", made),
        class_="page",
    )
    style = _STYLE.read_text(encoding="utf-8")
    whole = tag("html", page_head(title, style), tag("body", page), lang="en")
    return Page(f"<!doctype html>{whole}\n", pictures.count, tuple(pictures.left_out), tuple(renderer.plain))


def _state(verdict: Verdict) -> str:
    if verdict.problems:
        return "bad" if verdict.answered else "open"
    return "good"


def _top(title: str, report: Report, checked: Checked) -> Markup:
    verdicts = checked.verdicts
    answered = sum(verdict.answered for verdict in verdicts)
    good = sum(not verdict.problems for verdict in verdicts)
    ticked, total = sum(item.ticked for item in report.checklist), checked.generation or len(verdicts)
    facts = [(f"{answered} of {total}", "questions answered"), (f"{good} of {total}", "keep to their limits")]
    facts += [(f"{ticked} of {len(report.checklist)}", "boxes ticked")] if report.checklist else []
    cells = [
        tag(
            "li",
            tag(
                "a",
                str(verdict.question.number),
                href=f"#q{verdict.question.number}",
                class_=_state(verdict),
                aria_label=f"Question {verdict.question.number}: {_STATES[_state(verdict)]}",
            ),
        )
        for verdict in verdicts
    ]
    key = [tag("span", tag("i"), text, class_=state) for state, text in _STATES.items()]
    return tag(
        "header",
        tag("p", "Report", class_="kicker"),
        tag("h1", title),
        tag("ul", *(tag("li", tag("b", count), text) for count, text in facts), class_="facts"),
        tag("ol", *cells, class_="strip"),
        tag("p", *key, class_="key"),
        class_="top",
    )


def _contents(report: Report, verdicts: Sequence[Verdict]) -> Markup:
    parts = []
    for section, found in groupby(verdicts, key=lambda verdict: verdict.question.section):
        lines = [
            tag(
                "li",
                tag(
                    "a",
                    tag("span", str(verdict.question.number), class_="n"),
                    tag("span", verdict.question.title.replace("`", ""), class_="t"),
                    tag("span", class_=f"d {_state(verdict)}"),
                    href=f"#q{verdict.question.number}",
                ),
            )
            for verdict in found
        ]
        parts += [tag("p", section or "Questions", class_="group"), tag("ol", *lines)]
    if report.checklist:
        parts.append(tag("p", tag("a", "Checklist", href="#checklist"), class_="group"))
    return tag("nav", *parts, aria_label="Contents", tabindex="0")


def _sections(verdicts: Sequence[Verdict], renderer: Renderer) -> Iterable[Markup]:
    for section, found in groupby(verdicts, key=lambda verdict: verdict.question.section):
        articles = [_article(verdict, renderer) for verdict in found]
        yield tag("section", tag("h2", section or "Questions"), *articles)


def _article(verdict: Verdict, renderer: Renderer) -> Markup:
    question = verdict.question
    number = tag("span", str(question.number), class_=f"n {_state(verdict)}")
    if verdict.answered:
        answer = tag(
            "div", renderer.text(question.answer, f"q{question.number}"), class_="answer", dir="auto"
        )
    else:
        answer = tag("div", tag("p", "Not answered.", class_="empty"), class_="answer")
    told = [it for it in verdict.problems if it.kind != "unanswered"]
    return tag(
        "article",
        tag("h3", number, tag("span", renderer.line(question.title))),
        tag("ul", *_chips(verdict), class_="chips"),
        answer,
        _findings(told, "problems"),
        _findings([it for it in verdict.notes if not it.kind.startswith("image-")], "problems notes"),
        id=f"q{question.number}",
    )


def _chips(verdict: Verdict) -> Iterable[Markup]:
    question, limits = verdict.question, verdict.question.limits
    words = question.words if verdict.answered else 0
    if limits.words is not None:
        yield _chip(words, "word", limits.words)
    elif words:
        yield tag("li", tag("b", str(words)), " words" if words != 1 else " word")
    if limits.images is not None:
        yield _chip(question.images, "image", limits.images)


def _chip(count: int, noun: str, limits: Span) -> Markup:
    text = f" {noun}{'' if count == 1 else 's'}, asked for {limits}"
    return tag("li", tag("b", str(count)), text, class_=None if count in limits else "bad")


def _findings(findings: Sequence[Finding], class_: str) -> Markup:
    if not findings:
        return join()
    lines = [
        tag("li", it.text, tag("span", f" · line {it.line}", class_="line") if it.line else "")
        for it in findings
    ]
    return tag("ul", *lines, class_=class_)


def _whole(problems: Sequence[Finding]) -> Iterable[Markup]:
    yield tag("section", tag("h2", "The whole report"), _findings(problems, "problems"))


def _checklist(items: Sequence[Item], renderer: Renderer) -> Iterable[Markup]:
    if not items:
        return
    parts = []
    for section, found in groupby(items[:_ITEMS], key=lambda item: item.section):
        boxes = list(found)
        ticked = sum(item.ticked for item in boxes)
        count = f"{section or 'Items'}: {ticked} of {len(boxes)}"
        bar = tag("progress", value=str(ticked), max=str(len(boxes)), aria_label=count)
        parts.append(
            tag(
                "div",
                tag("p", count, class_="group"),
                bar,
                tag("ul", *(_box(item, renderer) for item in boxes)),
            )
        )
    yield tag(
        "section", tag("h2", "Checklist"), tag("article", tag("div", *parts, class_="boxes")), id="checklist"
    )


def _box(item: Item, renderer: Renderer) -> Markup:
    mark = tag(
        "span",
        "✓" if item.ticked else "",
        class_="box",
        role="img",
        aria_label="ticked" if item.ticked else "open",
    )
    return tag("li", mark, tag("span", renderer.line(item.text)), class_="ticked" if item.ticked else None)


def _before(preamble: str, renderer: Renderer) -> Iterable[Markup]:
    """What stands before the first question, but for its boxes."""
    lines = [line for line in preamble.split("\n") if not line.lstrip().startswith(("* [", "- ["))]
    if "".join(lines).strip():
        text = tag("div", renderer.text("\n".join(lines), "before"), class_="answer", dir="auto")
        yield tag("details", tag("summary", "What stands before the questions"), text, class_="before")
