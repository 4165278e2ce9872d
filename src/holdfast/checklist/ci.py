"""Workflows of continuous integration: when they start, on what, and what they do."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from holdfast.checklist.commands import Command, commands_of
from holdfast.checklist.documents import at, read_yaml, texts
from holdfast.checklist.tree import Tree, line_of

_MAX_WORKFLOWS = 200


@dataclass(frozen=True)
class Step:
    """A step: an action that is used, or commands that are run."""

    line: int | None
    uses: str
    options: dict[str, Any]
    commands: tuple[Command, ...]


@dataclass
class Job:
    """A job with the values that it is run over."""

    name: str
    runs_on: list[str]
    matrix: dict[str, list[Any]]
    steps: list[Step]


@dataclass
class Workflow:
    """A workflow.

    Attributes:
        triggers: by name, with their filters: `push`, `pull_request`, `schedule`, …
    """

    path: str
    triggers: dict[str, Any]
    jobs: list[Job] = field(default_factory=list)

    @property
    def on_change(self) -> bool:
        """Whether a change of the code starts it."""
        return bool({"push", "pull_request", "pull_request_target", "merge_group"} & set(self.triggers))

    @property
    def by_itself(self) -> bool:
        """Whether anything but a person starts it."""
        return bool(set(self.triggers) - {"workflow_dispatch", "workflow_call"})

    def steps(self) -> Iterator[Step]:
        """Of all jobs."""
        for job in self.jobs:
            yield from job.steps

    def commands(self) -> Iterator[Command]:
        """Of all steps."""
        for step in self.steps():
            yield from step.commands


def workflows(tree: Tree) -> list[Workflow]:
    """What GitHub and GitLab would run."""
    found: list[Workflow] = []
    for path in tree.files:
        folder, _, name = path.rpartition("/")
        if len(found) < _MAX_WORKFLOWS and folder == ".github/workflows" and name.endswith((".yml", ".yaml")):
            found.extend(_github(path, tree.text(path) or ""))
    if text := tree.text(".gitlab-ci.yml"):
        found.extend(_gitlab(".gitlab-ci.yml", text))
    return found


def _github(path: str, text: str) -> Iterator[Workflow]:
    for document in read_yaml(text)[:1]:
        if not isinstance(document, dict):
            return
        on = document.get("on", document.get(True))  # YAML 1.1 takes `on` for true
        jobs = document.get("jobs")
        if on is None or not isinstance(jobs, dict):
            return
        triggers = {str(key): value for key, value in on.items()} if isinstance(on, dict) else {}
        triggers = triggers or dict.fromkeys(texts(on))
        it = Workflow(path, triggers)
        for name, job in jobs.items():
            if isinstance(job, dict) and not _never(job):
                it.jobs.append(_job(str(name), job, path, text))
        yield it


def _job(name: str, job: dict[str, Any], path: str, text: str) -> Job:
    matrix = at(job, "strategy", "matrix")
    values = matrix if isinstance(matrix, dict) else {}
    over = {str(key): list(value) for key, value in values.items() if isinstance(value, list)}
    for extra in over.pop("include", []):
        for key, value in (extra if isinstance(extra, dict) else {}).items():
            over.setdefault(str(key), []).append(value)
    over.pop("exclude", None)
    listed = job.get("steps")
    steps = [_step(step, path, text) for step in (listed if isinstance(listed, list) else [])]
    return Job(name, texts(job.get("runs-on")), over, [step for step in steps if step is not None])


def _step(step: Any, path: str, text: str) -> Step | None:
    if not isinstance(step, dict) or _never(step):
        return None
    uses, run = str(step.get("uses") or ""), step.get("run")
    options = step.get("with")
    first = str(run).strip().split("\n")[0].strip() if run else uses
    line = line_of(text, first)
    commands = tuple(commands_of(str(run).strip(), path, line)) if run else ()
    return Step(line, uses, options if isinstance(options, dict) else {}, commands)


def _never(part: dict[str, Any]) -> bool:
    return str(part.get("if", "")).strip().lower() in ("false", "${{ false }}")


_NO_JOBS = {"stages", "variables", "default", "include", "workflow", "image", "cache", "services", "pages"}


def _gitlab(path: str, text: str) -> Iterator[Workflow]:
    for document in read_yaml(text)[:1]:
        if not isinstance(document, dict):
            return
        it = Workflow(path, {"push": None})
        for name, job in document.items():
            script = job.get("script") if isinstance(job, dict) else None
            if script is None or name in _NO_JOBS - {"pages"} or str(name).startswith("."):
                continue
            lines = texts(script)
            line = line_of(text, lines[0].split("\n")[0]) if lines else None
            commands = tuple(one for part in lines for one in commands_of(part, path, line))
            cache = ["actions/cache"] if job.get("cache") or document.get("cache") else []
            steps = [Step(line, "", {}, commands), *(Step(line_of(text, "cache:"), c, {}, ()) for c in cache)]
            matrix = at(job, "parallel", "matrix")
            over = {
                str(key): list(value) if isinstance(value, list) else [value]
                for part in (matrix if isinstance(matrix, list) else [])
                for key, value in (part.items() if isinstance(part, dict) else [])
            }
            it.jobs.append(Job(str(name), texts(at(job, "image")), over, steps))
        yield it
