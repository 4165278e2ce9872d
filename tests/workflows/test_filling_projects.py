"""What a draft makes of a project's files alone, whatever they hold."""

import re
import subprocess
from pathlib import Path

import pytest

from holdfast.core.workspace import Workspace
from holdfast.report import check_report, read_report
from holdfast.workflows.filling import report_fill, report_new
from tests.filled_project import write_project
from tests.reports import report


def test_a_workflow_is_told_with_the_branches_that_start_it(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text("def test_a():\n    assert len([]) == 0\n")
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/a.yml").write_text(
        "on:\n  push: {branches: [main, dev], paths: ['src/**']}\n  pull_request:\n"
        "jobs: {a: {runs-on: x, steps: [{run: pytest}]}}\n"
    )
    report_new(tmp_path / "R.md")

    report_fill(tmp_path / "R.md", tmp_path, Workspace(tmp_path / "home"))

    text = (tmp_path / "R.filled.md").read_text("utf-8")
    started = "each push to `main` or `dev` that changes `src/**` and each pull request"
    assert f"`a.yml` is started by {started}." in text
    assert f"`.github/workflows/a.yml` runs them on {started}: " in text


def test_a_journal_in_a_bucket_is_an_open_question(tmp_path: Path) -> None:
    home = Workspace(tmp_path / "home")
    home.home.mkdir()
    (home.home / "holdfast.yaml").write_text("serve: {journal: {where: 's3://me:pass@bucket/journal'}}\n")
    (tmp_path / "project").mkdir()
    report_new(tmp_path / "R.md")

    report_fill(tmp_path / "R.md", tmp_path / "project", home)

    answers = [it.answer for it in read_report(tmp_path / "R.filled.md").questions]
    told = [it for it in answers if "what the journal at `s3://…@bucket/journal` holds" in it]
    assert len(told) == 3
    assert not any("No evidence was found" in it for it in told)


def test_an_empty_project_answers_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report_new(tmp_path / "R.md")

    told = report_fill(tmp_path / "R.md", tmp_path / "empty", Workspace(tmp_path / "home"))

    assert (told["drafted"], told["partly"], told["open"]) == (0, 0, 31)
    assert "[^" not in (tmp_path / "R.filled.md").read_text("utf-8")
    checked = check_report(read_report(tmp_path / "R.filled.md"), tmp_path)
    assert not any(it.answered for it in checked.verdicts)


def test_passwords_in_files_are_not_told(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM python:3.11\nRUN curl https://me:hunter2@example.org\nENV API_KEY=hunter2\n"
    )
    (tmp_path / "R.md").write_text(report([""], length="").replace("What runs?", "How is Docker used?"))

    report_fill(tmp_path / "R.md", tmp_path, Workspace(tmp_path / "home"))

    text = (tmp_path / "R.filled.md").read_text("utf-8")
    assert "python:3.11" in text
    assert "hunter2" not in text


def test_what_a_project_says_is_quoted_as_code(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "pkg").mkdir(parents=True)
    (project / "pkg/__init__.py").write_text("")
    (project / "pkg/a.py").write_text('"""TODO <script>alert(1)</script> [x](javascript:1) `tick`."""\n')
    (project / "README.md").write_text("# WE MUST WRITE SOMETHING HERE <img src=x onerror=a>\n")
    report_new(tmp_path / "R.md")

    report_fill(tmp_path / "R.md", project, Workspace(tmp_path / "home"))

    filled = read_report(tmp_path / "R.filled.md")
    answer = filled.questions[4].answer
    prose = re.sub(r"(`+) ?.*? ?\1", "", answer.split("\n\n")[0])
    assert "script" in answer
    assert not re.search(r"script|img|TODO|MUST", prose)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("coverage.xml", '<coverage line-rate="1.2.3">'),
        ("loadtest.json", '{"steps": [1, null], "saturation": []}'),
        ("loadtest.json", '{"steps": [{"throughput": "x", "p95_ms": {}}], "knee": {"rate": "y"}}'),
        ("holdfast.yaml", "serve: {journal: {where: [1, {a: b}]}}"),
        ("holdfast.yaml", "serve: {journal: {where: /dev/null}}"),
        (
            ".github/workflows/a.yml",
            "on: {1: 2}\njobs: {1: {runs-on: [1, {a: b}], strategy: {matrix: {a: [{}]}}}}",
        ),
        (".github/workflows/a.yml", "on: push\njobs: {a: {steps: [{run: '\\x1b[31m', with: {cache: 1}}]}}"),
        ("Dockerfile", "FROM\nCOPY\nCMD []\n"),
        (
            "app.py",
            "from fastapi import FastAPI\napp = FastAPI()\n@app.get(1)\n@app.post()\ndef f(*a, **b): ...\n",
        ),
    ],
)
def test_files_of_another_shape_are_survived(path: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "project" / path
    file.parent.mkdir(parents=True)
    file.write_text(text)
    report_new(tmp_path / "R.md")

    told = report_fill(tmp_path / "R.md", tmp_path / "project", Workspace(tmp_path / "home"))

    assert len(told["questions"]) == 31
    assert "\x1b" not in (tmp_path / "R.filled.md").read_text("utf-8")


def test_no_code_of_the_project_is_run(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    told = f"touch {tmp_path}/ran"
    hostile = {"core.fsmonitor": told, "core.pager": told, "gpg.program": told, "log.showSignature": "true"}
    for key, value in hostile.items():
        subprocess.run(["git", "config", key, value], cwd=project, check=True)
    (project / "conftest.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    report_new(tmp_path / "R.md")

    report_fill(tmp_path / "R.md", project, Workspace(tmp_path / "home"))

    assert not (tmp_path / "ran").exists()


def test_a_line_with_a_password_is_left_out_with_what_is_said_of_it(tmp_path: Path) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/a.yml").write_text(
        "on: push\njobs:\n  a:\n    steps:\n"
        "      - run: gcloud run deploy one --set-env-vars PASSWORD=hunter2\n"
        "      - run: gcloud run deploy two\n"
    )
    report_new(tmp_path / "R.md")

    report_fill(tmp_path / "R.md", tmp_path, Workspace(tmp_path / "home"))

    text = (tmp_path / "R.filled.md").read_text("utf-8")
    (note,) = re.findall(r"It is deployed by `gcloud run deploy two`[^[]*\[\^(q24-1)\]", text)
    assert f"[^{note}]: `.github/workflows/a.yml`, line 6: " in text
    assert "hunter2" not in text


def test_a_sentence_is_told_once_and_counts_all_applications(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\nRUN apt update && apt install -y gcc\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    report_new(tmp_path / "R.md")

    report_fill(tmp_path / "R.md", tmp_path, Workspace(tmp_path / "home"))

    text = (tmp_path / "R.filled.md").read_text("utf-8")
    assert text.count("In it, `apt update && apt install -y gcc` is run.") == 1
    assert "There are 2 applications of FastAPI, made in `one.py` and `two.py`." in text
