"""`holdfast report`: a table for a person, JSON for a program, and an exit code for a script."""

import json
from pathlib import Path

import pytest

from tests.journey import answer, holdfast
from tests.reports import question, report


def test_what_falls_short_ends_with_1_and_stands_in_the_table(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(report(["one two", "TODO", "one"]))

    told = holdfast("report", "check", str(file), home=tmp_path, expect=1).stdout

    lines = told.splitlines()
    assert lines[0] == f"{file}: 2 of 3 questions answered, 1 of 2 boxes ticked"
    assert "✓         1  yes           2  2–5" in told
    assert "✗         2  no            1  2–5       0       not answered" in told
    assert lines[-1] == "2 questions fall short"


def test_a_report_that_passes_ends_with_0(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_text(report(["one two"]))

    told = holdfast("report", "check", str(tmp_path / "it.md"), home=tmp_path).stdout

    assert told.endswith("\nnothing falls short\n")


def test_a_program_gets_everything_as_json(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_text(question(1, "![a](b.png)", asks="Upload 1-2 images.", length="") + "\n")

    done = holdfast("report", "check", str(tmp_path / "it.md"), "--json", home=tmp_path, expect=1)

    result = json.loads(done.stdout)
    assert (result["passed"], result["problems"], result["answered"], result["of"]) == (False, [], 1, 1)
    assert result["questions"] == [
        {
            "number": 1,
            "title": "Upload 1-2 images.",
            "line": 1,
            "answered": True,
            "words": 1,
            "images": 1,
            "limits": {"words": None, "images": [1, 2]},
            "within_limits": True,
            "pictures": [{"target": "b.png", "line": 10, "shown": True, "state": "missing"}],
            "problems": [{"kind": "image-missing", "text": "b.png is not there", "line": 10}],
            "notes": [],
        }
    ]


def test_the_checklist_is_in_the_json(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_text(report(["one two"]))

    checklist = answer("report", "check", str(tmp_path / "it.md"), home=tmp_path)["checklist"]

    assert checklist["ticked"] == 1
    assert [(it["text"], it["ticked"], it["modules"]) for it in checklist["items"]] == [
        ("Write tests", True, ["M16"]),
        ("Set alarms", False, ["M28"]),
    ]


@pytest.mark.parametrize(
    "words", [("check",), ("check", "a.md", "b.md"), ("check", "a.md", "--what"), ("chekc", "a")]
)
def test_wrong_usage_ends_with_2(words: tuple[str, ...], tmp_path: Path) -> None:
    holdfast("report", *words, home=tmp_path, expect=2)


def test_what_is_no_report_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_bytes(b"\xff\xfe")

    done = holdfast("report", "check", str(tmp_path / "it.md"), home=tmp_path, expect=1)

    assert done.stdout == ""
    assert "is not UTF-8: byte 0xff in line 1" in done.stderr
    assert "hint: save it as UTF-8" in done.stderr


def test_no_text_of_a_report_commands_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_text(report(["one two TODO", "\x1b[2J ![\x1b[2J](\x1b[31m.png)"]))

    assert "\x1b" not in holdfast("report", "check", str(tmp_path / "it.md"), home=tmp_path, expect=1).stdout


def test_a_page_is_made_beside_the_report_or_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "it.md").write_text(report(["one ![x](a.png)"]))

    told = holdfast("report", "html", str(tmp_path / "it.md"), home=tmp_path).stdout
    result = answer(
        "report", "html", str(tmp_path / "it.md"), "--out", str(tmp_path / "my/page.html"), home=tmp_path
    )

    assert told.splitlines()[0].startswith(f"{tmp_path / 'it.html'}  ")
    assert told.splitlines()[1] == "! a.png is not shown: it is not there"
    assert (tmp_path / "it.html").read_bytes() == Path(result["html"]).read_bytes()


@pytest.mark.parametrize("out", ["it.html", "."])
def test_a_page_never_takes_the_place_of_the_report(out: str, tmp_path: Path) -> None:
    (tmp_path / "it.html").write_text(report(["one two"]))

    done = holdfast(
        "report", "html", str(tmp_path / "it.html"), "--out", str(tmp_path / out), home=tmp_path, expect=1
    )

    assert "is the report itself" in done.stderr or "is a folder" in done.stderr
    assert (tmp_path / "it.html").read_text() == report(["one two"])


def test_without_its_libraries_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "nh3", None)
    (tmp_path / "it.md").write_text(report(["one two"]))

    done = holdfast("report", "html", str(tmp_path / "it.md"), home=tmp_path, expect=1)

    assert "pip install 'holdfast[report]'" in done.stderr
