"""Reports from evidence: an empty one, and a draft of every answer that files and workspace can give."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from holdfast.core.errors import DataError
from holdfast.core.files import write_text
from holdfast.core.workspace import Workspace
from holdfast.report import Question, Report, read_report
from holdfast.report.blank import blank_report
from holdfast.report.draft import Composed, Draft, compose
from holdfast.report.fill import Open, fill, is_open
from holdfast.report.topics import topic_of
from holdfast.workflows import (
    filling_journal,
    filling_project,
    filling_runs,
    filling_serving,
    filling_tests,
    filling_whole,
)
from holdfast.workflows.filling_facts import Facts
from holdfast.workflows.filling_figure import loss_figure

_DRAFTERS: Mapping[str, Callable[[Facts], Draft]] = {
    "framework": filling_project.framework,
    "dependencies": filling_project.dependencies,
    "structure": filling_project.structure,
    "quality": filling_project.quality,
    "tests": filling_tests.tests,
    "coverage": filling_tests.coverage,
    "git": filling_tests.git,
    "ci": filling_tests.ci,
    "data": filling_runs.data,
    "settings": filling_runs.settings,
    "reproduce": filling_runs.reproduce,
    "tracking": filling_runs.tracking,
    "debugging": filling_runs.debugging,
    "cloud-training": filling_runs.cloud_training,
    "docker": filling_serving.docker,
    "services": filling_serving.services,
    "engine": filling_serving.engine,
    "api": filling_serving.api,
    "deployment": filling_serving.deployment,
    "load": filling_serving.load,
    "monitoring": filling_serving.monitoring,
    "extra": filling_whole.extra,
    "architecture": filling_whole.architecture,
    "contributions": filling_whole.contributions,
}
"""Who drafts an answer; to all other topics no file says anything."""
_OF_JOURNAL = ("api", "deployment", "monitoring")
"""Topics to which a journal would tell something."""


def report_new(out: Path, questions: int = 31, *, force: bool = False) -> dict[str, Any]:
    """Write a report whose questions are all open, in our own short words, with the limits of the template.

    Args:
        out: the file.
        questions: 27 or 31.
        force: replace what is there.

    Raises:
        DataError: if there are not so many, or something is there already.
    """
    text = blank_report(questions)
    _check_free(out, force)
    write_text(out, text)
    return {"file": str(out), "questions": questions}


def report_fill(
    file: Path,
    project: Path,
    workspace: Workspace,
    out: Path | None = None,
    *,
    model: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Draft the open answers of a report from evidence. What people have written stays, byte for byte.

    Args:
        file: the report; it is only replaced if it is `out` too, with `force`.
        project: the folder of the repository that it is about; nothing of it is run.
        workspace: with its datasets, runs and models.
        out: where it goes; by default beside the file, with `.filled` in its name. A picture of the losses of
            the run goes into `figures` beside it.
        model: a reference to the one that it is about; by default the champion that was made last.
        force: replace what is there.

    Returns:
        `file`, `out`, and `questions`: number, topic, `state` (kept: was answered; drafted; partly: something
        is left to people; open: no evidence), words, and `evidence` as the footnotes tell it. `drafted`,
        `partly`, `kept` and `open` count them.

    Raises:
        DataError: if the file is no report, the project no folder, or something is in the way.
        RefError: if there is no such model.
    """
    place = out or file.with_name(f"{file.stem}.filled{file.suffix}")
    report = read_report(file)
    _check_free(place, force)
    facts = Facts(project, workspace, model)
    answers = {
        question.number: _answer(question, report, facts, place)
        for question in report.questions
        if is_open(question)
    }
    mark = "\ufeff" if file.read_bytes().startswith(b"\xef\xbb\xbf") else ""
    write_text(place, mark + fill(report, answers))
    questions = [_told(question, answers.get(question.number)) for question in report.questions]
    states = [question["state"] for question in questions]
    counts = {state: states.count(state) for state in ("drafted", "partly", "kept", "open")}
    return {"file": str(file), "out": str(place), **counts, "questions": questions}


def _check_free(place: Path, force: bool) -> None:
    if place.is_dir():
        raise DataError(f"{place} is a folder", hint="name a file, such as --out REPORT.md")
    if place.exists() and not force:
        raise DataError(f"{place} is there already", hint="name another with --out, or add --force")


def _answer(question: Question, report: Report, facts: Facts, place: Path) -> Composed | Open:
    topic = topic_of(question.title)
    if topic is None:
        return Open("what is asked here", "what it is about is not known here")
    drafter = _DRAFTERS.get(topic.name)
    if drafter is None:
        return Open(topic.people, "no file says it")
    draft = drafter(facts)
    if topic.name in _OF_JOURNAL and (left := filling_journal.unread(facts)):
        draft = replace(draft, left="; ".join(one for one in (draft.left, left) if one))
        if not draft.sentences:
            return Open(f"{topic.people}; {left}")
    if not draft.sentences:
        return Open(topic.people, "no evidence was found")
    root = Path(os.path.relpath(facts.project, place.parent))
    images = tuple((root / image).as_posix() for image in draft.images)
    if (
        topic.name == "tracking"
        and facts.run
        and (figure := loss_figure(facts.run, place.parent / "figures"))
    ):
        images = (f"figures/{figure.name}",)
    found = compose(
        Draft(draft.sentences, draft.left, images), question.limits, f"q{question.number}-", report.text
    )
    return found or Open(topic.people, "no sentence is short enough")


def _told(question: Question, found: Composed | Open | None) -> dict[str, Any]:
    topic = topic_of(question.title)
    told: dict[str, Any] = {"number": question.number, "topic": topic.name if topic else None}
    if isinstance(found, Composed):
        evidence = [
            {"label": label, **vars(one), "told": one.told()} for label, one in found.footnotes.items()
        ]
        return told | {"state": found.state, "words": found.words, "evidence": evidence}
    if found is None:
        return told | {"state": "kept", "words": question.words, "evidence": []}
    return told | {"state": "open", "words": 0, "evidence": [], "left": found.people}
