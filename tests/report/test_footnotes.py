"""Footnotes stand below the answers that refer to them, and nothing that a report brings is in their way."""

import re
from pathlib import Path

import pytest

from holdfast.report import check_report, parse_report
from holdfast.report.page import report_page
from tests.reports import report


def _page(answers: list[str], before: str = "") -> str:
    parsed = parse_report(f"{before}\n\n{report(answers, length='')}")
    return report_page(parsed, check_report(parsed, Path("/nowhere")), Path("/nowhere"), name="R.md").html


def _ids(page: str) -> list[str]:
    return re.findall(r'\bid="([^"]+)"', page)


def test_a_mark_leads_to_its_footnote_and_back() -> None:
    page = _page(["So it is.[^a] Again.[^a]\n\n[^a]: As *seen*."])

    assert '<sup><a id="q1-m1-1" href="#q1-n1"' in page
    assert '<a id="q1-m1-2" href="#q1-n1"' in page
    assert '<li id="q1-n1"><p>As <em>seen</em>. <a href="#q1-m1-1"' in page
    assert '<a href="#q1-m1-2"' in page
    assert "[^a]" not in page


def test_every_link_within_the_page_leads_somewhere_and_no_id_stands_twice() -> None:
    page = _page(
        ["One.[^a] Two.[^b]", "Three.[^a]\n\n[^c]: x", "Four.[^c][^missing]"],
        "# R\n\n## Evidence\n\n[^a]: `a.py`, line 1\n[^b]: b\n    goes on",
    )

    ids = _ids(page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert {"q1-n1", "q1-n2", "q2-n1", "q3-n1"} <= set(ids)
    assert page.count("<code>a.py</code>, line 1") == 2
    assert "goes on" in page
    assert "[^missing]" in page


def test_a_footnote_that_nobody_refers_to_is_not_lost() -> None:
    assert "[^b]: Nobody asked." in _page(["One two.\n\n[^b]: Nobody asked."])
    assert "[^b]: Nobody asked." in _page(["One two."], "# R\n\n[^b]: Nobody asked.")


def test_marks_within_code_are_code() -> None:
    page = _page(["`x[^a]` and\n\n```\ny[^a]\n\n[^a]: z\n```"])

    assert "x[^a]" in page
    assert "y[^a]" in page
    assert "<sup>" not in page


@pytest.mark.parametrize(
    "text",
    [
        '<a id="q1-n1" href="#q1-n1">x</a>',
        '<li id="q1-n1">x</li>',
        '<ol id="q1-notes"><li>x</li></ol>',
        '<sup><a id="q1-m1-1">x</a></sup>',
        "[x](#q1-n1)",
        '<a href="#checklist">x</a>',
    ],
)
def test_ids_and_places_that_a_report_brings_are_taken_out(text: str) -> None:
    page = _page([f"x[^a]\n\n{text}\n\n[^a]: Said. {text}"])

    ids = _ids(page)
    assert len(ids) == len(set(ids))
    assert page.count('href="#q1-n1"') == 1
    assert page.count('href="#checklist"') == 1  # of the contents


def test_a_footnote_is_as_harmless_as_an_answer() -> None:
    page = _page(
        ["x[^a]\n\n[^a]: <img src=x onerror=alert(1)><script>alert(1)</script>[l](javascript:alert(1))"]
    )

    assert "onerror=" not in page.replace("&", "")
    assert "<script" not in page
    assert "javascript:" not in re.sub(r">[^<]*<", "><", page)


def test_of_a_long_report_the_rest_is_shown_as_it_was_written_and_said_to_be_so() -> None:
    parsed = parse_report(report(["*a* " * 20_000] * 5, length=""))

    page = report_page(parsed, check_report(parsed, Path("/nowhere")), Path("/nowhere"), name="R.md")

    assert [name for name, _ in page.plain] == ["q4", "q5"]
    assert (
        page.html.count("Shown as it was written: what stands above it has nearly 300,000 characters.") == 2
    )
    assert "<em>a</em>" in page.html
    assert page.html.count("*a* *a*") >= 2
