"""Tests: of data, models and the API, their coverage, and load."""

import re

from holdfast.checklist.answer import Answer, Seen, no, unknown, yes
from holdfast.checklist.documents import at, texts
from holdfast.checklist.repo import Repo, seen_command
from holdfast.checklist.tree import line_of
from holdfast.checklist.unit_tests import Kind, UnitTest, unit_tests


def _of(repo: Repo, kind: Kind, what: str) -> Answer:
    good, empty = all_tests(repo)
    found = [one for one in good if kind in one.kinds]
    if found:
        return yes(*map(_seen, found))
    if empty:
        return no(f"no test asserts anything of {what}; these assert nothing", *map(_seen, empty))
    return no(
        f"no test asserts anything of {what}" + (f", {len(good)} assert something else" if good else "")
    )


def all_tests(repo: Repo) -> tuple[list[UnitTest], list[UnitTest]]:
    """The tests that assert something, and those that do not; found once for all who ask."""
    return repo.shared("unit tests", lambda: unit_tests(repo))


def _seen(test: UnitTest) -> Seen:
    return Seen(test.file, test.line, test.name)


def data_tests(repo: Repo) -> Answer:
    """Tests that assert something of the data."""
    return _of(repo, "data", "the data")


def model_tests(repo: Repo) -> Answer:
    """Tests that assert something of the model or its training."""
    return _of(repo, "model", "the model or its training")


def api_tests(repo: Repo) -> Answer:
    """Tests that ask the API and assert something, run by continuous integration."""
    found = _of(repo, "api", "answers of the API")
    if found.verdict != "yes":
        return found
    for flow in repo.workflows:
        for command in repo.expanded(flow.commands()) if flow.on_change else ():
            if command.program in ("pytest", "unittest") and _covers(command.args, found.seen):
                return yes(*found.seen[:3], seen_command(command))
    return no("there are tests of the API, but no workflow runs them when the code changes", *found.seen)


def _covers(args: tuple[str, ...], seen: tuple[Seen, ...]) -> bool:
    """Whether a run of the tests has at least one of them in it."""
    places = [
        word.partition("::")[0].strip("/").removeprefix("./")
        for word in args
        if re.match(r"^[\w./-]*\w", word)
    ]
    places = [place for place in places if "/" in place or place.startswith("test") or place.endswith(".py")]
    places = [place for place in places if not place.startswith("-")]
    return not places or any(
        one.file == place or one.file.startswith(place + "/") for one in seen for place in places
    )


def coverage(repo: Repo) -> Answer:
    """Coverage that is measured on the code, not on the tests."""
    settings = repo.pyproject
    source = texts(at(settings, "tool", "coverage", "run", "source"))
    omitted = texts(at(settings, "tool", "coverage", "run", "include"))
    said = " ".join(texts(at(settings, "tool", "pytest", "ini_options", "addopts")))
    runs: list[tuple[Seen, str]] = []
    if "--cov" in said:
        runs.append(
            (Seen("pyproject.toml", line_of(repo.tree.text("pyproject.toml") or "", "--cov"), said), said)
        )
    for name in ("pytest.ini", "setup.cfg", "tox.ini"):
        for number, line in enumerate(repo.tree.lines(name), start=1):
            if line.startswith("addopts") and "--cov" in line:
                runs.append((Seen(name, number, line), line))
    for one in repo.commands:
        if (one.program == "coverage" and one.args[:1] == ("run",)) or (
            one.program == "pytest" and any(word.startswith("--cov") for word in one.args)
        ):
            runs.append((seen_command(one), one.text))
    if not runs:
        return no("nothing measures coverage")
    for seen, text in runs:
        measured = re.findall(r"--(?:cov|source)[= ]([\w./-]+)", text) or source or omitted
        if not measured or any(not re.match(r"(\./)?tests?\b", place) for place in measured):
            return yes(seen)
    return no("coverage is measured on the tests themselves: it says nothing of the code", runs[0][0])


def load_test(repo: Repo) -> Answer:
    """A user of Locust with a task, a script of k6, or `holdfast loadtest`."""
    found = []
    for code, one in repo.classes(r"locust\.(contrib\.\w+\.)?(Fast)?HttpUser", [*repo.own, *repo.tests]):
        tasks = [
            function
            for function in code.functions
            if function.name.startswith(one.name + ".")
            and any(name.startswith("locust.task") for name in function.decorators)
        ]
        asks = [
            call
            for call in code.calls
            if call.name.startswith("self.client.") and call.inside.startswith(one.name)
        ]
        if tasks and asks:
            found.append(Seen(code.path, asks[0].line, f"{one.name}: {asks[0].name}(…)"))
    for path in repo.tree.by_suffix.get(".js", []):
        text = repo.tree.text(path) or ""
        if re.search(r"^[ \t]*import\b.{0,200}['\"]k6/http['\"]", text, re.MULTILINE) and re.search(
            r"^[ \t]*http\.\w+\(|[=( ]http\.(get|post)\(", text, re.MULTILINE
        ):
            found.append(Seen(path, line_of(text, "k6/http"), "a script of k6"))
    for command in repo.commands:
        if command.program in ("ab", "wrk", "hey", "vegeta") or (
            command.program == "holdfast" and command.args[:1] == ("loadtest",)
        ):
            found.append(seen_command(command))
    return yes(*found) if found else no("no user of Locust asks anything, and no other tool loads the API")


def understanding(_: Repo) -> Answer:
    """Only people know."""
    return unknown(
        "what people understand is in no file", "ask each member to explain a part that another one wrote"
    )
