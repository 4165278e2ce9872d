"""What is known of a project and of its workspace, each fact found once and told with its evidence."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from holdfast.bundle import Bundle, open_bundle
from holdfast.checklist.answer import Answer, Seen
from holdfast.checklist.counts import counts
from holdfast.checklist.repo import Repo
from holdfast.core.errors import HoldfastError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import VersionInfo
from holdfast.data.info import list_datasets, read_info, versions_of
from holdfast.registry import Registry
from holdfast.report.draft import Draft, Evidence, FileLine, Said, Sentence, listed, quoted
from holdfast.tracking import RunInfo, RunRecord, list_runs, read_run

_MOST_BYTES = 4 << 20
_GIT_S = 10
_QUOTED = 100
"""Characters of a line that a footnote shows."""
_LONGEST = 10_000
_SECRET = re.compile(
    r"(passw(or)?d|secret|token|api[_-]?key|credential)\w*[\"']?\s*[=: ]\s*[^\s${]", re.IGNORECASE
)


class Facts:
    """The evidence that drafts are made from. Nothing of the project is run.

    Args:
        project: the folder of a repository.
        workspace: with its datasets, runs and models; it may hold nothing.
        model: a reference to the one that it is about; by default the champion that was made last.
    """

    def __init__(self, project: Path, workspace: Workspace, model: str | None = None) -> None:
        self.project = project
        self.about = model
        self.workspace = workspace
        self.repo = Repo(project)

    def line(self, file: str, number: int | None = None, *, part: str = "") -> FileLine | None:
        """A line of a file of the project: by its number, else the first that has a part and text."""
        return _line(file, self.repo.tree.lines(file), number, part)

    def seen(self, found: Iterable[Seen]) -> list[FileLine]:
        """What a probe saw, as lines of files; what is in no line of a file is left out."""
        return [line for one in found if (line := self._line_of(one)) is not None]

    def _line_of(self, one: Seen) -> FileLine | None:
        return self.line(one.file, one.line, part='"' if one.file.endswith(".json") else "")  # no lone brace

    def tally(self, what: str) -> Said | None:
        """What `checklist` counts in the project, so that a number can be followed."""
        found = self._counts.get(what)
        said = f"{json.dumps(what, ensure_ascii=False)}: {found}"
        return None if found is None else Said("holdfast checklist . --json", said)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return counts(self.repo)

    def kept(self, file: str, part: str, *, beside: str = "") -> FileLine | None:
        """The first line of a file of the workspace that has a part, and another beside it."""
        path = self.workspace.home / file
        try:
            if path.stat().st_size > _MOST_BYTES:
                return None
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            return None
        number = next((at for at, line in enumerate(lines, 1) if part in line and beside in line), None)
        found = _line(file, lines, number, part) if number else None
        return found and FileLine(found.file, found.line, found.text, "workspace")

    @cached_property
    def registry(self) -> Registry:
        """Of the workspace."""
        return Registry(self.workspace.models)

    @cached_property
    def models(self) -> list[dict[str, Any]]:
        """Rows of the registry that can be read, newest versions first."""
        return [row for row in self.registry.list() if not row["problem"]]

    @cached_property
    def model(self) -> dict[str, Any] | None:
        """The model that the report is about: as was asked, else the last champion, else the last version."""
        if self.about is not None:
            resolved = str(self.registry.resolve(parse_ref(self.about)))
            return next((row for row in self.models if row["ref"] == resolved), None)
        ranked = sorted(self.models, key=lambda row: ("champion" in row["aliases"], str(row["created"])))
        return ranked[-1] if ranked else None

    @cached_property
    def bundle(self) -> Bundle | None:
        """Of that model."""
        try:
            return open_bundle(self.registry.path(parse_ref(self.model["ref"]))) if self.model else None
        except HoldfastError:
            return None

    def of_model(self, says: str) -> Said:
        """What `models show` says of the model."""
        assert self.model is not None
        return Said(f"holdfast models show {self.model['ref']} --json", says)

    @cached_property
    def runs(self) -> list[RunInfo]:
        """Those that can be read, newest first."""
        return [run for run in list_runs(self.workspace.runs) if run.status != "damaged"]

    @cached_property
    def run(self) -> RunRecord | None:
        """The run of the model, else the newest that finished."""
        names = [str(self.model["run"])] if self.model else []
        names += [run.id for run in self.runs if run.status == "finished"]
        for name in names:
            try:
                return read_run(self.workspace.runs, name)
            except HoldfastError:
                continue
        return None

    def of_run(self, says: str) -> Said:
        """What `runs show` says of the run."""
        assert self.run is not None
        return Said(f"holdfast runs show {self.run.id} --json", says)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Every setting of the run."""
        try:
            return self.run.config() if self.run else {}
        except HoldfastError:
            return {}

    def setting(self, key: str) -> FileLine | None:
        """The line of the run's `config.yaml` that holds a setting such as `optim.lr`."""
        if self.run is None:
            return None
        file, (group, _, name) = f"runs/{self.run.id}/config.yaml", key.partition(".")
        try:
            lines = (self.workspace.home / file).read_text(encoding="utf-8").split("\n")
            start = lines.index(f"{group}:")
        except (OSError, ValueError):
            return None
        for number, line in enumerate(lines[start + 1 :], start=start + 2):
            if not line.startswith(" "):
                break
            if line.startswith(f"  {name}:"):
                found = _line(file, lines, number, "")
                return found and FileLine(found.file, found.line, found.text, "workspace")
        return None

    @cached_property
    def environment(self) -> dict[str, Any]:
        """What the run began on."""
        try:
            return self.run.environment() if self.run else {}
        except HoldfastError:
            return {}

    @cached_property
    def versions(self) -> list[VersionInfo]:
        """Every version of every dataset that can be read."""
        found = []
        for name in [info.name for info in list_datasets(self.workspace.datasets)]:
            for number in versions_of(self.workspace.datasets, name):
                try:
                    found.append(read_info(self.workspace.datasets, name, number))
                except HoldfastError:
                    continue
        return found

    def probe(self, probe: Any) -> tuple[Answer, list[FileLine]]:
        """What a probe of the checklist answers; where it says yes, a line for each thing that it saw."""
        answer: Answer = probe(self.repo)
        if answer.verdict != "yes":
            return answer, []
        seen = tuple(one for one in answer.seen if self._line_of(one) is not None)
        return replace(answer, seen=seen), self.seen(seen)

    @cached_property
    def has_git(self) -> bool:
        """Whether the project is a checkout of its own."""
        return (self.project / ".git").exists() and self.git("rev-parse", "HEAD") is not None

    def git(self, *args: str) -> list[str] | None:
        """The lines that git says of the project; None where it says nothing."""
        # A checkout's settings may name programs for git to start: only commands that need none are
        # asked, and those that any command may start are turned off.
        command = ["git", "--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false", *args]
        around = {
            **os.environ,
            "GIT_CEILING_DIRECTORIES": str(self.project.resolve().parent),
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        try:
            done = subprocess.run(  # noqa: S603
                command,
                cwd=self.project,
                env=around,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_GIT_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode("utf-8", "replace").split("\n")[:-1]

    def counted(self, *args: str) -> tuple[int, Said] | None:
        """A number that git says, with the command that says it."""
        found = self.git(*args)
        if not found or not re.fullmatch(r"\d+", found[0]):
            return None
        return int(found[0]), Said(shlex.join(["git", *args]), found[0])


def _line(file: str, lines: list[str], number: int | None, part: str) -> FileLine | None:
    if not number:
        number = next((at for at, line in enumerate(lines, 1) if part in line and line.strip()), None)
    if number is None or number > len(lines) or not file.isprintable():
        return None
    text = lines[number - 1].strip()
    start = text.find(part) if len(text) > _QUOTED else 0  # what is meant stands far to the right
    text = text[max(start, 0) :][:200]
    if re.search(r"://[^\s/@]*@", text):
        text = text.partition("://")[0]
    return FileLine(file, number, text) if text and not _SECRET.search(lines[number - 1][:_LONGEST]) else None


class Told:
    """Sentences that are collected: one without evidence is not told.

    Attributes:
        sentences: so far.
    """

    def __init__(self) -> None:
        self.sentences: list[Sentence] = []

    def say(self, text: str, *evidence: Evidence | None) -> None:
        """Tell a sentence, once, if any of its evidence was found."""
        found = tuple(one for one in evidence if one is not None)
        if found and not any(one.text == text and one.evidence == found for one in self.sentences):
            self.sentences.append(Sentence(text, found))

    def draft(self, left: str = "", images: tuple[str, ...] = ()) -> Draft:
        """All of it; what is left to people is only told beside something."""
        return Draft(tuple(self.sentences), left, images)


def what_of(seen: Sequence[Seen]) -> str:
    """What was seen, as a list within a sentence."""
    return listed([quoted(one.what) for one in seen])
