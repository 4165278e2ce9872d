"""The commands about reports: those that answer a template's questions, and that of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import show, table

_MANY = {
    "dashes": "the dashes of the placeholder stand around the answer",
    "image-elsewhere": "images cannot be checked: their folder is not beside the report",
    "image-remote": "images are remote: whether they are there is not checked",
}
"""Notes that many questions share; which images they are about stands in the JSON."""
report_app = typer.Typer(help="Reports: check and show filled-in ones, tell of a model.", **opt.STYLE)
File = Annotated[
    Path, typer.Argument(parser=opt.path, metavar="FILE", help="The filled-in report: Markdown.")
]


@report_app.callback()
def root() -> None:
    """Reports: check and show filled-in ones, tell of a model."""


@report_app.command("check")
def report_check(file: File, as_json: opt.Json = False) -> None:
    """Hold FILE against what it asks for itself: words, pictures, leftovers. Ends with 1 if it falls short.

    Example: holdfast report check reports/README.md
    """
    from holdfast.workflows.reporting import report_check as check

    result = check(file)
    show(result, as_json, _checked)
    if not result["passed"]:
        raise typer.Exit(1)


@report_app.command("model")
def report_model(
    model: Annotated[str, typer.Argument(help="A model, such as birds@3.")],
    out: Annotated[
        Path | None, typer.Option("--out", parser=opt.path, help="A file that ends in .html or .md.")
    ] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Tell all there is to know of MODEL: numbers, limits, data, training, how to make it again.

    Example: holdfast report model birds@3 --out birds.html
    """
    from holdfast.core.workspace import find_workspace
    from holdfast.workflows.model_report import model_report as tell

    place = out or Path(f"{model.replace('@', '-')}.html")
    result = tell(model, find_workspace(home), place)
    show(result, as_json, lambda it: f"{it['file']}: the report of {it['model']}")


def _checked(result: Mapping[str, Any]) -> str:
    """A line per question, then what falls short, then what does not count."""
    rows = [_row(it) for it in result["questions"]]
    short = sum(bool(it["problems"]) for it in result["questions"])
    ticked, items = result["checklist"]["ticked"], len(result["checklist"]["items"])
    boxes = f", {ticked} of {items} boxes ticked" if items else ""
    lines = [
        f"{result['file']}: {result['answered']} of {result['of']} questions answered{boxes}",
        "",
        table(rows, ["", "question", "answered", "words", "of", "images", "of ", "problems"]),
        *_told("✗", [(None, it) for it in result["problems"]], "\nthe whole"),
        *_told(
            "·", [(it["number"], note) for it in result["questions"] for note in it["notes"]], "\nto know"
        ),
        *_told("·", [(None, it) for it in result["notes"]], ""),
        "",
    ]
    passed = "nothing falls short"
    failed = f"{short} question{'' if short == 1 else 's'} fall{'s' if short == 1 else ''} short"
    whole = len(result["problems"])
    failed += f", and {whole} problem{'' if whole == 1 else 's'} of the whole" if whole else ""
    return "\n".join([*lines, passed if result["passed"] else failed])


def _row(question: Mapping[str, Any]) -> dict[str, Any]:
    limits = question["limits"]
    return {
        "": "✗" if question["problems"] else "✓",
        "question": question["number"],
        "answered": "yes" if question["answered"] else "no",
        "words": question["words"],
        "of": _limit(limits["words"]),
        "images": question["images"],
        "of ": _limit(limits["images"]),
        "problems": "; ".join(it["text"] for it in question["problems"]),
    }


def _limit(limit: list[int | None] | None) -> str:
    if limit is None:
        return ""
    low, high = limit
    return f"{low}" if low == high else f"{low}+" if high is None else f"{low}–{high}"


def _told(mark: str, found: list[tuple[int | None, Mapping[str, Any]]], title: str) -> list[str]:
    """Findings, those with the same words on one line."""
    together: dict[str, list[int]] = {}
    for number, it in found:
        is_placed = number is None or "line" in it["text"]
        text = _MANY.get(it["kind"]) or (it["text"] if is_placed else f"line {it['line']}: {it['text']}")
        numbers = together.setdefault(text, [])
        numbers += [number] if number is not None and number not in numbers else []
    lines = []
    for text, numbers in together.items():
        name = (
            f"question{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}: " if numbers else ""
        )
        lines.append(f"{mark} {name}{text}")
    return [title, *lines] if lines and title else lines


@report_app.command("html")
def report_html(
    file: File,
    out: Annotated[Path | None, typer.Option(parser=opt.path, help="The page; default: beside FILE.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Make one page of FILE that needs no network: pictures in it, contents, code in colours; safe to open.

    Example: holdfast report html reports/README.md --out report.html
    """
    from holdfast.workflows.reporting import report_html as html

    show(html(file, out), as_json, _page)


_PLAIN = 10
"""Texts shown as they were written that are named."""


def _page(result: Mapping[str, Any]) -> str:
    pictures = f"{result['pictures']} picture{'' if result['pictures'] == 1 else 's'} in it"
    left = [f"! {it['target']} is not shown: {it['reason']}" for it in result["left_out"]]
    left += [f"! {it['text']} is shown as it was written: {it['reason']}" for it in result["plain"][:_PLAIN]]
    more = len(result["plain"]) - _PLAIN
    left += [f"! so are {more} more"] if more > 0 else []
    return "\n".join([f"{result['html']}  {result['bytes'] / 1000:,.0f} kB, {pictures}", *left])


_Report = Annotated[Path | None, typer.Option("--out", parser=opt.path, help="The report that is written.")]
_Replace = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


@report_app.command("new")
def report_new(
    questions: Annotated[int, typer.Option(help="27 or 31, as the template's generation.")] = 31,
    out: _Report = None,
    force: _Replace = False,
    as_json: opt.Json = False,
) -> None:
    """Write an empty report: every question in a few words of ours, with its limits. Default: REPORT.md.

    Example: holdfast report new --out reports/README.md
    """
    from holdfast.workflows.filling import report_new as new

    result = new(out or Path("REPORT.md"), questions, force=force)
    show(result, as_json, lambda it: f"{it['file']}: {it['questions']} questions, all open")


@report_app.command("fill")
def report_fill(
    file: File,
    project: Annotated[
        Path, typer.Option(parser=opt.path, help="The repository that it is about; nothing in it is run.")
    ] = Path(),
    out: _Report = None,
    model: Annotated[
        str | None, typer.Option(help="What it is about, such as birds@3; default: the last champion.")
    ] = None,
    force: _Replace = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Draft FILE's open answers from evidence, each sentence with a footnote to it. Default: beside FILE.

    Example: holdfast report fill reports/README.md --project . --out reports/draft.md
    """
    from holdfast.core.workspace import find_workspace
    from holdfast.workflows.filling import report_fill as fill

    show(fill(file, project, find_workspace(home), out, model=model, force=force), as_json, _filled)


def _filled(result: Mapping[str, Any]) -> str:
    rows = [
        {
            "question": it["number"],
            "topic": it["topic"] or "unknown",
            "state": it["state"],
            "words": it["words"] or "",
            "footnotes": len(it["evidence"]) or "",
        }
        for it in result["questions"]
    ]
    sums = (
        f"{result['drafted']} drafted, {result['partly']} drafted in part, {result['kept']} kept as they were"
    )
    return "\n".join(
        [
            table(rows, ["question", "topic", "state", "words", "footnotes"]),
            "",
            f"{result['out']}: {sums}, {result['open']} left to people",
            "read every draft before you hand it in: `holdfast report check` tells what is left to do",
        ]
    )
