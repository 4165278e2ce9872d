"""Reports that answer a template's questions: read, checked against their own limits, shown as a page."""

from holdfast.report.check import Checked, Finding, Verdict, check_report
from holdfast.report.constraints import Limits, Span, limits_of
from holdfast.report.document import Item, Picture, Question, Report, parse_report, read_report

__all__ = [
    "Checked",
    "Finding",
    "Item",
    "Limits",
    "Picture",
    "Question",
    "Report",
    "Span",
    "Verdict",
    "check_report",
    "limits_of",
    "parse_report",
    "read_report",
]
