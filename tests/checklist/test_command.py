"""The command: a table for people, JSON for programs, a page; it never fails for what it finds."""

import json
from html import escape
from pathlib import Path
from typing import Any

import pytest

from tests.checklist.repositories import read
from tests.journey import holdfast


def test_the_table_names_what_was_seen_and_what_helps(tmp_path: Path) -> None:
    folder = read("lightning").write(tmp_path)

    told = holdfast("checklist", str(folder), home=tmp_path / "home").stdout

    assert "✓ lightning          src/sounds/net.py:11 class Net(LightningModule)" in told
    assert "✗ requirements       imported and not listed: " in told
    assert "week 1: code and data (12 of 20)" in told
    assert "\x1b" not in told
    assert not (tmp_path / "home").exists()


def test_json_and_page_hold_all_items_and_the_claims(tmp_path: Path) -> None:
    folder = read("names_only").write(tmp_path)
    report, page = tmp_path / "report.md", tmp_path / "page.html"
    report.write_text(
        "* [x] Use Hydra <script>alert(1)</script>\n\n### Question 1\n> Why?\n> Answer:\n\nSo.\n"
    )

    done = holdfast(
        *("checklist", str(folder), "--report", str(report), "--html", str(page), "--json"),
        home=tmp_path / "home",
    )

    result = json.loads(done.stdout)
    assert result["sums"]["yes"] == 1
    assert sum(result["sums"].values()) == len(result["items"])
    assert result["report"]["claimed_without_evidence"][0]["item"] == "hydra"
    text = page.read_text("utf-8")
    assert all(escape(item["title"]) in text for item in result["items"])
    assert "<script" not in text
    assert "Claimed, but not there: 1" in text


def test_the_page_shows_commands_as_code(tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    holdfast("checklist", str(read("empty").write(tmp_path)), "--html", str(page), home=tmp_path / "home")

    assert "<code>holdfast report check FILE</code>" in page.read_text("utf-8")
    assert "`" not in page.read_text("utf-8")


def test_names_of_files_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "\x1b[31m.py").write_text("def f(:\n\n")

    assert "\x1b" not in holdfast("checklist", str(tmp_path / "repo"), home=tmp_path / "home").stdout


def test_a_folder_that_is_none_ends_with_1(tmp_path: Path) -> None:
    done = holdfast("checklist", str(tmp_path / "nowhere"), home=tmp_path / "home", expect=1)

    assert "nowhere' does not exist\nhint: name the folder of a repository" in done.stderr


def test_this_repository_shows_what_it_has(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]

    result = json.loads(holdfast("checklist", str(root), "--json", home=tmp_path / "home").stdout)

    answers = {item["id"]: item["answer"] for item in result["items"]}
    for name in ("training", "style", "typing", "data-tests", "model-tests", "api", "load-test", "alerts"):
        assert answers[name] == "yes", name
    assert (answers["frontend"], answers["requirements"]) == ("yes", "yes")
    assert answers["lightning"] == "no"


@pytest.mark.browser
def test_the_page_opens_without_a_complaint(page: Any, tmp_path: Path) -> None:
    from tests.browsing import serious

    html = tmp_path / "page.html"
    holdfast("checklist", str(read("cloud").write(tmp_path)), "--html", str(html), home=tmp_path / "home")

    page.get(html.as_uri())

    assert "Checklist of" in page.title
    assert serious(page) == []
