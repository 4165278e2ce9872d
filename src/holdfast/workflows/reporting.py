"""The commands about reports that answer a template's questions."""

from pathlib import Path
from typing import Any

from holdfast.core.errors import DataError
from holdfast.core.files import write_text
from holdfast.report import Checked, Finding, Report, Span, Verdict, check_report, read_report


def report_check(file: Path) -> dict[str, Any]:
    """What falls short in a report, as it states its own limits.

    Returns:
        `questions` (number, title, line, answered, words, images, limits, within_limits, pictures, problems,
        notes), `passed`, `problems` and `notes` of the whole, which `template` it is (27 or 31 questions, or
        None), how many questions are `answered` of how many, and the `checklist`.

    Raises:
        DataError: if the file is no report.
    """
    report = read_report(file)
    return facts(report, check_report(report, file.parent)) | {"file": str(file)}


def facts(report: Report, checked: Checked) -> dict[str, Any]:
    """A report and what was found, for a program."""
    return {
        "passed": checked.passed,
        "template": checked.generation,
        "answered": sum(verdict.answered for verdict in checked.verdicts),
        "of": checked.generation or len(checked.verdicts),
        "questions": [_question(verdict) for verdict in checked.verdicts],
        "problems": _findings(checked.problems),
        "notes": _findings(checked.notes),
        "checklist": {
            "ticked": sum(item.ticked for item in report.checklist),
            "items": [
                {
                    "text": it.text,
                    "ticked": it.ticked,
                    "line": it.line,
                    "section": it.section,
                    "modules": list(it.modules),
                }
                for it in report.checklist
            ],
        },
    }


def _question(verdict: Verdict) -> dict[str, Any]:
    question = verdict.question
    return {
        "number": question.number,
        "title": question.title,
        "line": question.line,
        "answered": verdict.answered,
        "words": question.words,
        "images": question.images,
        "limits": {"words": _span(question.limits.words), "images": _span(question.limits.images)},
        "within_limits": verdict.within_limits,
        "pictures": [
            {"target": picture.target, "line": picture.line, "shown": picture.shown, "state": file.state}
            for picture, file in zip(question.pictures, verdict.files, strict=True)
        ],
        "problems": _findings(verdict.problems),
        "notes": _findings(verdict.notes),
    }


def _findings(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    return [{"kind": it.kind, "text": it.text, "line": it.line} for it in findings]


def _span(span: Span | None) -> list[int | None] | None:
    return None if span is None else [span.low, span.high]


def report_html(file: Path, out: Path | None = None) -> dict[str, Any]:
    """A report as one page that needs nothing else, and that can do no harm whatever the report holds.

    Args:
        file: the report.
        out: where the page goes; by default beside the report, with the ending `.html`.

    Returns:
        `file`, `html`, its `bytes`, how many `pictures` were put in, those that were `left_out` with why, and
        the texts that are shown `plain`, as they were written, with why.

    Raises:
        DataError: if the file is no report, or the page would take its place.
    """
    place = out if out is not None else file.with_suffix(".html")
    report = read_report(file)
    if place.is_dir() or (place.exists() and place.samefile(file)):
        what = "a folder" if place.is_dir() else "the report itself"
        raise DataError(
            f"{place} is {what}", hint="give the page's file with --out, such as --out report.html"
        )
    import nh3  # noqa: F401 - first, as it comes with the extra alone

    from holdfast.report.page import report_page

    page = report_page(report, check_report(report, file.parent), file.parent, name=file.name)
    write_text(place, page.html)
    left_out = [{"target": target, "reason": why} for target, why in page.left_out]
    size = len(page.html.encode())
    return {
        "file": str(file),
        "html": str(place),
        "bytes": size,
        "pictures": page.pictures,
        "left_out": left_out,
        "plain": [{"text": _named(name), "reason": why} for name, why in page.plain],
    }


def _named(text: str) -> str:
    return f"question {text[1:]}" if text.startswith("q") else "what stands before the questions"
