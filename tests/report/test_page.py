"""The page of a report in a real Chromium: no network, and no word in the console, whatever it holds."""

import re
from pathlib import Path
from typing import Any

import pytest

from holdfast.workflows.reporting import report_html
from tests.browsing import picture, serious, shoot, texts, wait
from tests.reports import REAL, question, report

NAMES = sorted(path.name for path in REAL.glob("*.txt")) if REAL.is_dir() else []


def opened(page: Any, file: Path) -> None:
    page.get(file.as_uri())
    wait(page, "footer")
    sources = "return performance.getEntriesByType('resource').map((it) => it.name)"
    assert [it for it in page.execute_script(sources) if not it.startswith("data:")] == []
    assert page.execute_script("return [...document.images].every((it) => it.naturalWidth > 0)")


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A report with all that an answer may hold."""
    (tmp_path / "figures").mkdir()
    picture(tmp_path / "figures/sunset.png")
    code = "```python\ndef run(lr: float = 3e-4) -> None:\n    print(lr)  # shown\n```\n|a|b|\n|-|-|\n|1|2|\n"
    shown = "![Loss over time](figures/sunset.png)\n\n![far](https://example.org/far.png)"
    text = report([code, shown, "--- question 3 fill here ---"]) + "\n## Deployment\n\n> About it.\n\n"
    (tmp_path / "README.md").write_text(text + question(4, "one two") + question(4, "one"))
    return tmp_path / "README.md"


def test_the_page_holds_the_whole_report(filled: Path) -> None:
    result = report_html(filled)

    page = filled.with_suffix(".html").read_text(encoding="utf-8")
    assert result["pictures"] == 1
    assert result["left_out"] == [
        {"target": "https://example.org/far.png", "reason": "it is remote, and nothing is fetched"}
    ]
    assert result["bytes"] == len(page.encode())
    assert re.findall(r'<article id="(\w+)"', page) == ["q1", "q2", "q3", "q4"]
    assert "the heading `### Question 4` stands twice" in page
    assert "default-src &#x27;none&#x27;" in page
    assert "<script" not in page
    assert "1 of 2" in page  # boxes


def test_the_same_report_gives_the_same_page(filled: Path, tmp_path: Path) -> None:
    report_html(filled, tmp_path / "a.html")
    report_html(filled, tmp_path / "b.html")

    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_can_read_it_by_day_and_night(page: Any, filled: Path, scheme: str) -> None:
    report_html(filled)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        opened(page, filled.with_suffix(".html"))

        assert texts(page, "nav .n") == ["1", "2", "3", "4"]
        assert texts(page, "article h3 .n") == ["1", "2", "3", "4"]
        assert "not shown" in texts(page, ".absent .why")[0]
        assert serious(page) == []
        shoot(page, f"report-{scheme}")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.browser
def test_on_paper_it_has_all_answers(page: Any, filled: Path) -> None:
    report_html(filled)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        opened(page, filled.with_suffix(".html"))

        assert (
            page.execute_script("return getComputedStyle(document.querySelector('nav')).position") == "static"
        )
        ground = "return getComputedStyle(document.documentElement).backgroundColor"
        assert page.execute_script(ground) == "rgb(255, 255, 255)"
        assert len(texts(page, ".answer")) >= 4
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.browser
@pytest.mark.skipif(not NAMES, reason="needs the reports beside the checkout")
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_a_real_report_opens_without_a_word(page: Any, name: str, tmp_path: Path) -> None:
    result = report_html(REAL / name, tmp_path / "it.html")

    opened(page, tmp_path / "it.html")

    count = 27 if name[:3] in ("001", "004") else 31
    assert [it.get_attribute("id") for it in wait(page, "article[id]")] == [
        f"q{n}" for n in range(1, count + 1)
    ]
    assert result["bytes"] < 200_000


@pytest.mark.browser
def test_a_hostile_report_does_no_harm(page: Any, tmp_path: Path) -> None:
    harm = [
        "<script>document.title = 'harmed'</script>",
        "<img src=x onerror=\"document.title = 'harmed'\">",
        "[click](javascript:document.title='harmed')",
        "<a href=\"javascript:document.title='harmed'\">click</a>",
        "<iframe src=\"javascript:parent.document.title='harmed'\"></iframe>",
        "<svg onload=\"document.title='harmed'\"></svg>",
        "<style>* { display: none !important }</style>",
        "<meta http-equiv=refresh content='0;url=https://example.org'>",
        "<base href=https://example.org/>",
        "<img src=https://example.org/seen.png>",
        "![x](file:///etc/passwd)",
        "<details open ontoggle=\"document.title='harmed'\">x</details>",
    ]
    text = report(harm).replace("# A report", "# <script>document.title = 'harmed'</script>")
    (tmp_path / "it.md").write_text(text.replace("Write tests", "<b onclick=x>Write</b> <script>x</script>"))

    report_html(tmp_path / "it.md")
    opened(page, tmp_path / "it.html")

    assert page.title == "<script>document.title = 'harmed'</script>"
    for link in page.execute_script("return [...document.querySelectorAll('.answer a:not([href^=http])')]"):
        page.execute_script("arguments[0].click()", link)
    assert page.title == "<script>document.title = 'harmed'</script>"
    assert page.current_url.partition("#")[0] == (tmp_path / "it.html").as_uri()
    assert (
        page.execute_script(
            "return document.scripts.length + document.querySelectorAll('iframe, svg').length"
        )
        == 0
    )
    assert len(texts(page, "article h3 .n")) == len(harm)
