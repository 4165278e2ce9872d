"""A repository held against the checklist, and a report against the repository."""

from pathlib import Path
from typing import Any

from holdfast.checklist import boxes, check, checklist_page, weigh
from holdfast.core.errors import DataError
from holdfast.core.files import write_text

_MAX_REPORT = 4 << 20


def checklist(folder: Path, *, report: Path | None = None, html: Path | None = None) -> dict[str, Any]:
    """What the files of a folder show of each item of the checklist.

    Args:
        folder: the root of a repository, of which nothing is run.
        report: a filled-in report; what it claims is held against what is there.
        html: a file for a page.

    Raises:
        DataError: if the folder or the report cannot be read, or the report has no boxes.
    """
    claimed = _boxes(report) if report else None
    result = check(folder)
    if report and claimed is not None:
        answers = {item["id"]: item["answer"] for item in result["items"]}
        result["report"] = {"file": str(report), "boxes": len(claimed), **weigh(claimed, answers)}
    if html:
        write_text(html, checklist_page(result))
        result["html"] = str(html)
    return result


def _boxes(report: Path) -> list[dict[str, Any]]:
    if not report.is_file():
        raise DataError(f"the report {str(report)!r} is no file", hint="name the Markdown file of the report")
    if report.stat().st_size > _MAX_REPORT:
        raise DataError(
            f"the report {str(report)!r} is larger than {_MAX_REPORT >> 20} MB", hint="name its Markdown file"
        )
    found = boxes(report.read_bytes().decode("utf-8-sig", errors="replace"))
    if not found:
        raise DataError(f"the report {str(report)!r} has no boxes", hint="boxes are lines such as `* [x] …`")
    return found
