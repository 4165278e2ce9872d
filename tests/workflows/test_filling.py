"""A report is drafted from evidence that can be followed, and nothing else; what people wrote stays."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from holdfast.bundle import open_bundle
from holdfast.config.serve import ServeConfig
from holdfast.core.errors import DataError
from holdfast.core.workspace import Workspace
from holdfast.report import check_report, parse_report, read_report
from holdfast.report.blank import blank_report
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.workflows.filling import report_fill, report_new
from tests.checklist.repositories import EXAMPLES
from tests.filled_project import write_project
from tests.journals import settings
from tests.journey import Road, holdfast
from tests.reports import REAL, question

SHOWN_BY = {
    "coverage": "Coverage is measured by",
    "ci": "runs them on each push",
    "data-versions": "digests stand for the data",
    "wandb": "sends runs to W&B",
    "alerts": "Somebody is alerted",
    "drift": "Drift of the inputs is looked for",
    "frontend": "There is a page for people",
    "load-test": "It is put under load by",
    "deployed": "It is deployed by",
    "cloud-training": "Training is sent to the cloud",
    "profiling": "A profiler is started",
}
"""What is only said where an item of the checklist is there."""


@dataclass(frozen=True)
class Filled:
    """A report that was filled in, and where its evidence is."""

    file: Path
    project: Path
    workspace: Workspace
    told: Mapping[str, Any]


@pytest.fixture(scope="module")
def filled(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Of a model that was trained, served and logged, and of a project with much to tell."""
    project = write_project(tmp_path_factory.mktemp("project"))
    bundle = open_bundle(road.workspace.models / "shapes/versions/1/bundle")
    config = ServeConfig(port=0, journal=settings(where=project / "journal"))
    picture = next((road.folder / "shapes").rglob("*.png"))
    engine = Engine(bundle, threads=1)
    with running(create_app(engine, config, ref="shapes@1"), config) as url:
        for _ in range(3):
            httpx.post(f"{url}/predict", files={"file": picture.read_bytes()}).raise_for_status()
    engine.close()
    file = project / "REPORT.md"
    file.write_text(blank_report(31), encoding="utf-8")
    told = report_fill(file, project, road.workspace, model="shapes@1")
    return Filled(project / "REPORT.filled.md", project, road.workspace, told)


def test_more_than_15_of_31_questions_are_answered_and_within_their_limits(filled: Filled) -> None:
    checked = check_report(read_report(filled.file), filled.project)

    drafted = {it["number"] for it in filled.told["questions"] if it["state"] == "drafted"}
    passed = {it.question.number for it in checked.verdicts if it.answered and not it.problems}
    assert drafted == passed
    assert len(drafted) >= 15, [(it["topic"], it["state"], it["words"]) for it in filled.told["questions"]]


def test_what_evidence_cannot_answer_is_told_as_not_answered(filled: Filled) -> None:
    checked = check_report(read_report(filled.file), filled.project)

    states = {it["number"]: (it["topic"], it["state"]) for it in filled.told["questions"]}
    for verdict in checked.verdicts:
        topic, state = states[verdict.question.number]
        kinds = {problem.kind for problem in verdict.problems}
        if state == "open":
            assert kinds == {"unanswered"}
            assert not verdict.answered
        elif state == "partly":
            assert "draft" in kinds, topic
    for people in ("group", "members", "costs", "struggles", "bucket-images"):
        assert (people, "open") in states.values()


def test_every_sentence_has_a_footnote_that_can_be_followed(filled: Filled) -> None:
    text = filled.file.read_text("utf-8")
    notes = dict(re.findall(r"^\[\^(q\d+-\d+)\]: (.+)$", text, flags=re.MULTILINE))
    outputs: dict[str, str] = {}

    used = [
        found
        for it in read_report(filled.file).questions
        for found in re.findall(r"\[\^(q[^\]]+)\]", it.answer)
    ]
    assert set(used) == set(notes)
    evidence = {one["label"]: one for it in filled.told["questions"] for one in it["evidence"]}
    assert {label: one["told"] for label, one in evidence.items()} == notes
    for one in evidence.values():
        if "file" in one:
            root = filled.project if one["of"] == "project" else filled.workspace.home
            line = (root / one["file"]).read_text("utf-8").split("\n")[one["line"] - 1]
            assert one["text"] in line
        else:
            if one["command"] not in outputs:
                outputs[one["command"]] = _said(one["command"], filled)
            assert one["says"] in outputs[one["command"]], one


def test_no_sentence_of_a_draft_is_without_a_footnote(filled: Filled) -> None:
    for it in read_report(filled.file).questions:
        if "[^" in it.answer:
            prose = it.answer.split("\n\n")[0]
            assert prose.endswith("]")
            assert "TODO" not in prose


def _said(command: str, filled: Filled) -> str:
    """What a command says that a footnote names."""
    import shlex

    program, *args = shlex.split(command)
    if program == "holdfast":
        return holdfast(*args, home=filled.workspace.home, cwd=filled.project).stdout
    assert program == "git"
    done = subprocess.run(["git", *args], cwd=filled.project, check=True, capture_output=True, text=True)
    return done.stdout


def test_the_numbers_are_those_of_the_model(filled: Filled, road: Road) -> None:
    evaluation = open_bundle(road.workspace.models / "shapes/versions/1/bundle").evaluation
    assert evaluation is not None
    value = evaluation["metrics"][evaluation["headline"]]

    answers = "\n".join(it.answer for it in read_report(filled.file).questions)
    assert f"{value['value']:.3f}, with an interval from {value['low']:.3f} to {value['high']:.3f}" in answers
    assert "3 predictions that it answered, of `shapes@1`" in answers
    assert "4 commits, of which 1 is a merge" in answers
    assert "412.5 answers a second" in answers


def test_the_losses_of_the_run_are_drawn_beside_the_report(filled: Filled) -> None:
    tracking = next(it for it in read_report(filled.file).questions if "tracking" in it.title)

    (picture,) = tracking.pictures
    with Image.open(filled.file.parent / picture.target) as image:
        assert image.format == "PNG"
        assert len(image.getcolors(1 << 20) or []) > 3
    (verdict,) = [
        it
        for it in check_report(read_report(filled.file), filled.project).verdicts
        if it.question.number == tracking.number
    ]
    assert {problem.kind for problem in verdict.problems} == {"draft"}


@pytest.mark.parametrize("name", [example.name for example in EXAMPLES])
def test_of_a_project_that_only_seems_to_have_things_nothing_is_claimed(name: str, tmp_path: Path) -> None:
    example = next(it for it in EXAMPLES if it.name == name)
    project = example.write(tmp_path)
    project.mkdir(exist_ok=True)
    report_new(tmp_path / "R.md")

    told = report_fill(tmp_path / "R.md", project, Workspace(tmp_path / "home"))

    text = (tmp_path / "R.filled.md").read_text("utf-8")
    topics = {it["topic"] for it in told["questions"] if it["state"] != "open"}
    for item, sentence in SHOWN_BY.items():
        assert item in example.yes or sentence not in text, item
    if not example.yes & {"data-tests", "model-tests", "api-tests"}:
        assert "tests" not in topics
    if name == "names_only":
        assert "No route of it asks a model." in text
        assert "COPY models/best.pt: no such file" in text


def test_of_a_journal_that_was_compacted_the_rest_is_told_as_the_rest(filled: Filled, tmp_path: Path) -> None:
    assert "The journal of the server has 3 predictions" in filled.file.read_text("utf-8")
    compacted = filled.project / "journal/days/a.parquet"
    compacted.parent.mkdir()
    compacted.write_bytes(b"")
    report_new(tmp_path / "R.md")

    report_fill(tmp_path / "R.md", filled.project, filled.workspace)

    text = (tmp_path / "R.filled.md").read_text("utf-8")
    assert "Beside what was compacted, the journal of the server has 3 predictions" in text
    compacted.unlink()


def test_what_is_counted_is_footnoted_with_its_count(filled: Filled) -> None:
    answers = {it["topic"]: it for it in filled.told["questions"]}

    tests = {one.get("says") for one in answers["tests"]["evidence"]}
    assert '"tests that assert something": 3' in tests
    packages = {one.get("says") for one in answers["dependencies"]["evidence"]}
    assert any(str(says).startswith('"packages in requirements.txt": ') for says in packages)


def test_the_last_epoch_is_footnoted_with_the_line_of_the_last_epoch(filled: Filled) -> None:
    (tracking,) = [it for it in filled.told["questions"] if it["topic"] == "tracking"]

    lines = [one for one in tracking["evidence"] if str(one.get("file", "")).endswith("metrics.jsonl")]
    epochs = set()
    for one in lines:
        whole = (filled.workspace.home / one["file"]).read_text("utf-8").split("\n")[one["line"] - 1]
        epochs.add(json.loads(whole)["epoch"])
        assert one["text"].startswith('"')  # what is meant stands first, however long the line is
    last = json.loads(whole)["epoch"]
    assert epochs == {1, last}


def test_the_settings_that_are_named_are_those_of_the_run(filled: Filled) -> None:
    (settings_,) = [it for it in filled.told["questions"] if it["topic"] == "settings"]

    for one in settings_["evidence"]:
        if str(one.get("file", "")).endswith("config.yaml"):
            key, _, value = one["text"].partition(": ")
            assert re.search(rf"`\w+\.{key}={re.escape(value)}`", filled.file.read_text("utf-8"))


def test_what_people_wrote_stays_byte_for_byte(filled: Filled, tmp_path: Path) -> None:
    written = "We  have 3 tests.\t\r\n\r\n* `a`\r\n\r\n```\r\n### Question 9\r\n```"
    text = blank_report().replace("\n", "\r\n").replace("--- question 7 fill here ---", written)
    (tmp_path / "R.md").write_bytes(b"\xef\xbb\xbf" + text.encode())

    told = report_fill(tmp_path / "R.md", filled.project, filled.workspace)

    made = (tmp_path / "R.filled.md").read_bytes()
    assert told["questions"][6]["state"] == "kept"
    assert made.startswith(b"\xef\xbb\xbf")
    assert written.encode() in made
    assert b"\n" not in made.replace(b"\r\n", b"")
    without = re.sub(rb"\[\^q\d+-\d+\]: .*\r\n", b"", made)
    for line in text.encode().split(b"\r\n"):
        assert line in without or b"fill here" in line


def test_a_second_time_changes_nothing(filled: Filled, tmp_path: Path) -> None:
    again = report_fill(filled.file, filled.project, filled.workspace, tmp_path / "again.md")

    assert again["drafted"] + again["partly"] == 0
    assert (tmp_path / "again.md").read_bytes() == filled.file.read_bytes()


@pytest.mark.parametrize("start", ["000", "001", "002", "003", "004"])
@pytest.mark.real
def test_a_real_report_keeps_all_that_was_answered(start: str, filled: Filled, tmp_path: Path) -> None:
    (source,) = REAL.glob(f"{start}*.txt")
    before = read_report(source)

    report_fill(source, filled.project, filled.workspace, tmp_path / "R.md")

    after = read_report(tmp_path / "R.md")
    old, new = check_report(before, tmp_path), check_report(after, tmp_path)
    assert [it.question.number for it in old.verdicts] == [it.question.number for it in new.verdicts]
    for one, other in zip(old.verdicts, new.verdicts, strict=True):
        assert one.question.prompt == tuple(
            (line - _moved(one, other), text) for line, text in other.question.prompt
        )
        if one.answered:
            assert one.question.answer == other.question.answer


def _moved(one: Any, other: Any) -> int:
    return int(other.question.line - one.question.line)


def test_nothing_is_overwritten_unless_told(tmp_path: Path) -> None:
    report_new(tmp_path / "R.md", 27)
    before = (tmp_path / "R.md").read_bytes()

    for attempt in (
        lambda: report_new(tmp_path / "R.md"),
        lambda: report_fill(tmp_path / "R.md", tmp_path, Workspace(tmp_path / "home"), tmp_path / "R.md"),
    ):
        with pytest.raises(DataError, match="is there already"):
            attempt()
    assert (tmp_path / "R.md").read_bytes() == before
    assert (
        report_fill(tmp_path / "R.md", tmp_path, Workspace(tmp_path / "home"), tmp_path / "R.md", force=True)[
            "open"
        ]
        > 20
    )


def test_an_answer_that_is_missing_altogether_is_put_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text("def test_a():\n    assert len([]) == 0\n")
    asked = question(1, "", asks="How many tests are there?", length="").rstrip("\n")
    (tmp_path / "R.md").write_text(f"# R\n\n{asked}\n### Question 2\n> **Who?**\n>\n> Answer:\n\nWe two.\n")

    report_fill(tmp_path / "R.md", tmp_path, Workspace(tmp_path / "home"))

    first, second = read_report(tmp_path / "R.filled.md").questions
    assert first.answer.startswith("There is 1 test that asserts something")
    assert second.answer == "We two."


def test_the_command_tells_what_is_left(tmp_path: Path) -> None:
    done = holdfast(
        "report", "new", "--questions", "27", "--out", str(tmp_path / "R.md"), home=tmp_path / "h"
    )
    assert "27 questions" in done.stdout
    assert len(parse_report((tmp_path / "R.md").read_text("utf-8")).questions) == 27
    done = holdfast(
        "report", "fill", str(tmp_path / "R.md"), "--project", str(tmp_path), "--json", home=tmp_path / "h"
    )
    assert json.loads(done.stdout)["open"] == 27
