"""A repository as the probes see it: each fact is found once and shared by all."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from holdfast.checklist.answer import Seen
from holdfast.checklist.ci import Workflow, workflows
from holdfast.checklist.code import Call, Class, Code, Function, read_code
from holdfast.checklist.commands import Command, commands_of, recipes
from holdfast.checklist.docker import Dockerfile, read_dockerfile
from holdfast.checklist.documents import at, parts, read_toml, read_yaml, texts
from holdfast.checklist.tree import Tree, line_of

MAX_CODE_BYTES = 6 << 20
_MAX_YAMLS = 500
_MAX_IMAGES = 100
_MAX_ROUTES = 300
_STARTS = re.compile(r"subprocess\.(run|call|check_call|check_output|Popen)|os\.system")
_Fact = TypeVar("_Fact")
_TELLING = re.compile(
    r"\b(fastapi|torch|lightning|wandb|hydra|sklearn|evidently|prometheus|locust|onnx|typer|click|pytest|assert"
    r"|streamlit|gradio|logging|loguru|Profile|optuna|ray|dvc|holdfast|google|bentoml|transformers)\b"
)


class Repo:
    """The files of a folder and what they say.

    Args:
        root: the folder; nothing in it is run.
    """

    def __init__(self, root: Path) -> None:
        self.tree = Tree(root)
        self._shared: dict[str, Any] = {}

    def shared(self, name: str, find: Callable[[], _Fact]) -> _Fact:
        """A fact that several probes need, found once."""
        if name not in self._shared:
            self._shared[name] = find()
        return cast("_Fact", self._shared[name])

    @cached_property
    def codes(self) -> list[Code]:
        """Files of Python, those nearest to the root first, as far as there is time for them."""
        paths = sorted(self.tree.by_suffix.get(".py", []), key=lambda path: (path.count("/"), path))
        found: list[Code] = []
        late: list[tuple[str, str]] = []
        room = MAX_CODE_BYTES
        for path in paths:
            text = self.tree.text(path) if room > 0 else None
            if text is None:
                continue
            if room < MAX_CODE_BYTES // 2 and not _TELLING.search(text):
                late.append((path, text))
                continue
            room -= len(text)
            found.append(read_code(path, text))
        for path, text in late:
            if room > 0:
                room -= len(text)
                found.append(read_code(path, text))
        if room <= 0:
            told = f"{len(found):,} of {len(paths):,} Python files were read"
            self.tree.notes.append(f"{told}: there are too many")
        return found

    @cached_property
    def own(self) -> list[Code]:
        """Files of Python that are no tests, and whose syntax is right."""
        return [code for code in self.codes if code.tree is not None and not code.is_test]

    @cached_property
    def tests(self) -> list[Code]:
        """Files of tests whose syntax is right."""
        return [code for code in self.codes if code.tree is not None and code.is_test]

    @cached_property
    def modules(self) -> dict[str, Code]:
        """Files of Python by each dotted name that they can be imported under."""
        found: dict[str, Code] = {}
        for code in self.codes:
            names = code.path.removesuffix(".py").split("/")
            if names[-1] == "__init__":
                names = names[:-1]
            for start in range(len(names)):
                found.setdefault(".".join(names[start:]), code)
        return found

    def module_of(self, name: str) -> Code | None:
        """The file of this repository that a dotted name lies in."""
        while name:
            if name in self.modules:
                return self.modules[name]
            name = name.rpartition(".")[0]
        return None

    @cached_property
    def workflows(self) -> list[Workflow]:
        """Of continuous integration."""
        return workflows(self.tree)

    @cached_property
    def dockerfiles(self) -> list[Dockerfile]:
        """Those that images are built from."""
        paths = self.tree.named("dockerfile", "dockerfile.*", "*.dockerfile", "containerfile")
        named = [path for path in paths if not path.endswith((".dockerignore", ".py"))]
        return [read_dockerfile(path, self.tree) for path in named[:_MAX_IMAGES]]

    @cached_property
    def yamls(self) -> dict[str, list[Any]]:
        """YAML files with their documents, those nearest to the root first."""
        paths = self.tree.named("*.yml", "*.yaml")
        if len(paths) > _MAX_YAMLS:
            self.tree.notes.append(f"{_MAX_YAMLS} of {len(paths):,} YAML files were read")
        return {path: read_yaml(self.tree.text(path) or "") for path in paths[:_MAX_YAMLS]}

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The settings of the project."""
        return read_toml(self.tree.text("pyproject.toml") or "")

    @cached_property
    def settings(self) -> dict[str, tuple[str, int | None, Any]]:
        """Settings of Holdfast by dotted name, from a workspace's own file: its path, the line, the value."""
        found: dict[str, tuple[str, int | None, Any]] = {}
        for path in self.tree.named("holdfast.yaml"):
            text = self.tree.text(path) or ""
            for document in read_yaml(text):
                for name, value in _dotted(document):
                    key = name.rpartition(".")[2]
                    found.setdefault(name, (path, line_of(text, f"{key}:"), value))
        return found

    @property
    def experiments(self) -> list[Seen]:
        """Settings of Holdfast that say how to train, not how to serve."""
        return [
            Seen(path, line, f"{name}: {value}")
            for name, (path, line, value) in self.settings.items()
            if name.partition(".")[0] not in ("serve", "track")
        ]

    def setting(self, *names: str) -> list[Seen]:
        """Settings of Holdfast that are on, in its file or on a command line."""
        found = [
            Seen(path, line, f"{name}: {value}")
            for name, (path, line, value) in self.settings.items()
            if any(name == one or name.startswith(one + ".") for one in names) and value
        ]
        for command in self.commands:
            if command.program == "holdfast":
                found.extend(
                    Seen(command.file, command.line, command.text)
                    for word in command.args
                    for one in names
                    if word.startswith((one + "=", one + ".")) and not word.endswith(("=false", "=null", "="))
                )
        return found

    @cached_property
    def make(self) -> dict[str, tuple[list[str], list[Command]]]:
        """What the Makefile at the root does."""
        for name in self.tree.named("makefile", "gnumakefile"):
            if "/" not in name:
                return recipes(self.tree.text(name) or "", name)
        return {}

    @cached_property
    def commands(self) -> list[Command]:
        """All command lines that the repository runs somewhere."""
        return [
            *(command for flow in self.workflows for command in flow.commands()),
            *(command for _, lines in self.make.values() for command in lines),
            *(command for file in self.dockerfiles for command in file.commands),
            *self._scripts(),
            *self._cloud_steps(),
            *self._compose(),
            *self._started_by_code(),
        ]

    def _scripts(self) -> Iterator[Command]:
        """Of shell scripts, and of tox."""
        for path in [
            *self.tree.named("*.sh", "*.bash", "justfile", "procfile"),
            *self.tree.matching(".ci/*"),
        ]:
            yield from commands_of(self.tree.text(path) or "", path, 1)
        for path in ("tox.ini",):
            for number, line in enumerate(self.tree.lines(path), start=1):
                yield from commands_of(line.strip().removeprefix("commands ="), path, number)
        for key in ("taskipy", "poe", "pdm"):
            tasks = at(self.pyproject, "tool", key, "scripts" if key == "pdm" else "tasks")
            for _, value in parts(tasks):
                if isinstance(value, str):
                    place = line_of(self.tree.text("pyproject.toml") or "", value)
                    yield from commands_of(value, "pyproject.toml", place)

    @cached_property
    def cloud_builds(self) -> dict[str, list[Command]]:
        """Files of Google Cloud Build with the commands of their steps."""
        found: dict[str, list[Command]] = {}
        for path, documents in self.yamls.items():
            steps = documents[0].get("steps") if documents and isinstance(documents[0], dict) else None
            if isinstance(steps, list) and steps and all(isinstance(at(one, "name"), str) for one in steps):
                found[path] = [one for step in steps for one in self._of_step(path, step)]
        return found

    def _of_step(self, path: str, step: dict[str, Any]) -> list[Command]:
        args = texts(step.get("args"))
        line = line_of(self.tree.text(path) or "", str(step["name"]))
        if script := step.get("script"):
            return commands_of(str(script), path, line)
        program = str(step.get("entrypoint") or step["name"].split(":")[0].rpartition("/")[2])
        if program in ("bash", "sh") and "-c" in args:
            return commands_of(args[-1], path, line)
        return [Command(path, line, program, tuple(args), " ".join([program, *args]))]

    def _cloud_steps(self) -> Iterator[Command]:
        for commands in self.cloud_builds.values():
            yield from commands

    def _compose(self) -> Iterator[Command]:
        for path, documents in self.yamls.items():
            if not re.search(r"(^|/)(docker-)?compose[^/]*$", path):
                continue
            for _, value in parts(at(documents[0] if documents else None, "services")):
                if isinstance(value, dict) and (said := texts(value.get("command"))):
                    line = line_of(self.tree.text(path) or "", "command:")
                    yield from commands_of(" ".join(said), path, line)

    def _started_by_code(self) -> Iterator[Command]:
        """What Python starts: tasks of invoke, subprocesses."""
        for code in self.own:
            tasks = code.path.rpartition("/")[2] in ("tasks.py", "noxfile.py")
            for call in code.calls:
                if _STARTS.fullmatch(call.name) or (tasks and call.name.endswith(".run")):
                    for text in _words(call):
                        for command in commands_of(text, code.path, call.line):
                            yield replace(command, inside=call.inside)

    def expanded(self, commands: list[Command] | Iterator[Command]) -> list[Command]:
        """Commands with those of the targets and scripts that they call."""
        waiting, seen, found = list(commands), set[str](), []
        while waiting:
            command = waiting.pop(0)
            found.append(command)
            called: list[str] = []
            if command.program == "make":
                called = [word for word in command.args if word in self.make]
            for target in called:
                if target not in seen:
                    seen.add(target)
                    needs, lines = self.make[target]
                    waiting.extend(lines)
                    waiting.extend(
                        Command(command.file, command.line, "make", (need,), command.text) for need in needs
                    )
            script, task = _script_of(command)
            if script and f"{script} {task}" not in seen:
                seen.add(f"{script} {task}")
                waiting.extend(
                    one for one in self.commands if one.file.endswith(script) and task in ("", one.inside)
                )
        return found

    @cached_property
    def _calls(self) -> dict[str, list[tuple[int, Code, Call]]]:
        """Calls by name, with their places in a reading from first to last."""
        found: dict[str, list[tuple[int, Code, Call]]] = {}
        every = ((code, call) for code in self.own for call in code.calls)
        for place, (code, call) in enumerate(every):
            found.setdefault(call.name, []).append((place, code, call))
        return found

    def calls(self, pattern: str) -> list[tuple[Code, Call]]:
        """Calls in files that are no tests whose whole name a regular expression fits."""
        fits = re.compile(pattern).fullmatch
        found = [one for name, calls in self._calls.items() if fits(name) for one in calls]
        return [(code, call) for _, code, call in sorted(found, key=lambda one: one[0])]

    def classes(self, pattern: str, codes: list[Code] | None = None) -> list[tuple[Code, Class]]:
        """Classes one of whose bases, also of a base within the repository, a regular expression fits."""
        fits = re.compile(pattern).fullmatch
        where = self.own if codes is None else codes
        every = [(code, one) for code in where for one in code.classes]
        found = [pair for pair in every if any(fits(base) for base in pair[1].bases)]
        names = {one.name for _, one in found}
        return found + [
            (code, one)
            for code, one in every
            if one.name not in names and any(base.rpartition(".")[2] in names for base in one.bases)
        ]

    @cached_property
    def routes(self) -> list[tuple[Code, Function]]:
        """Functions that answer requests of a FastAPI application that is made in this repository."""
        if not self.calls(r"fastapi(\.applications)?\.FastAPI"):
            return []
        app = re.compile(
            r"fastapi(\.\w+)*\.(FastAPI|APIRouter)\(\)\.(get|post|put|patch|delete|websocket|api_route)\(\)"
        )
        imported = re.compile(r".*\.(app|api|router)\.(get|post|put|patch|delete|websocket)\(\)")
        found = [
            (code, function)
            for code in self.own
            if code.imported("fastapi")
            for function in code.functions
            if any(app.fullmatch(one) or imported.fullmatch(one) for one in function.decorators)
        ]
        return found[:_MAX_ROUTES]

    def reached(self, code: Code, function: str, depth: int = 3) -> list[tuple[Code, Call]]:
        """Calls in a function and in those functions of the repository that it calls."""
        found: list[tuple[Code, Call]] = []
        waiting = [(code, function, depth)]
        seen: set[tuple[str, str]] = set()
        while waiting:
            where, name, left = waiting.pop()
            if (where.path, name) in seen:
                continue
            seen.add((where.path, name))
            for call in where.within(name):
                found.append((where, call))
                last = call.name.rpartition(".")[2]
                target = where if "." not in call.name else self.module_of(call.name)
                if left and target is not None:
                    waiting.append((target, last, left - 1))
        return found


def seen_call(pair: tuple[Code, Call]) -> Seen:
    """A call as evidence."""
    code, call = pair
    return Seen(code.path, call.line, f"{call.name.replace('()', '')}(…)")


def seen_command(command: Command) -> Seen:
    """A command line as evidence."""
    return Seen(command.file, command.line, command.text)


def _script_of(command: Command) -> tuple[str, str]:
    """The file that a command runs more commands of, and the task in it, where it names one."""
    if command.program.endswith(".sh"):
        return command.program, ""
    named = [word for word in command.args if not word.startswith("-")]
    if command.program in ("invoke", "inv"):
        return "tasks.py", named[0].replace("-", "_") if named else ""
    if command.program in ("bash", "sh"):
        return next((word for word in named if word.endswith(".sh")), ""), ""
    return {"tox": "tox.ini", "nox": "noxfile.py"}.get(command.program, ""), ""


def _words(call: Call) -> list[str]:
    """The command that a call starts, as far as it is written out."""
    if not call.node.args:
        return []
    first = call.node.args[0]
    if isinstance(first, ast.JoinedStr):
        whole = "".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in first.values)
        return [whole]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        words = [one.value for one in call.node.args if isinstance(one, ast.Constant)]
        return [" ".join(str(one) for one in words)]
    if isinstance(first, ast.List | ast.Tuple):
        listed = [one.value for one in first.elts if isinstance(one, ast.Constant)]
        return [" ".join(str(one) for one in listed)] if listed else []
    return []


def _dotted(value: Any, before: str = "", depth: int = 8) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and depth:
        for key, item in value.items():
            name = f"{before}.{key}" if before else str(key)
            if isinstance(item, dict):
                yield from _dotted(item, name, depth - 1)
            else:
                yield name, item
