"""A repository held against the checklist, and a report against the repository."""

from pathlib import Path
from typing import Any

from holdfast.checklist import Claim, check, checklist_page, claim, weigh
from holdfast.core.errors import DataError
from holdfast.core.files import write_text
from holdfast.report import read_report


def checklist(folder: Path, *, report: Path | None = None, html: Path | None = None) -> dict[str, Any]:
    """What the files of a folder show of each item of the checklist.

    Args:
        folder: the root of a repository, of which nothing is run.
        report: a filled-in report; what it claims is held against what is there.
        html: a file for a page.

    Raises:
        DataError: if the folder or the report cannot be read, or the report has no boxes.
    """
    claimed = _claims(report) if report else None
    result = check(folder)
    if report and claimed is not None:
        answers = {item["id"]: item["answer"] for item in result["items"]}
        result["report"] = {"file": str(report), "boxes": len(claimed), **weigh(claimed, answers)}
    if html:
        write_text(html, checklist_page(result))
        result["html"] = str(html)
    return result


def _claims(report: Path) -> list[Claim]:
    found = [claim(box.line, box.text, ticked=box.ticked) for box in read_report(report).checklist]
    if not found:
        raise DataError(
            f"{report} has no boxes", hint="boxes are lines such as `* [x] …` above the first question"
        )
    return found
