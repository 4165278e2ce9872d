"""Drafts about a project's code: dependencies, structure, quality, frameworks."""

import ast
import re
from collections import Counter

from holdfast.checklist import probes_ci, probes_code, probes_docs
from holdfast.checklist.counts import packages_of
from holdfast.checklist.packages import SHARED, needed
from holdfast.checklist.packages import listed as listed_packages
from holdfast.report.draft import Draft, FileLine, Said, counted, listed, quoted
from holdfast.workflows.filling_facts import Facts, Told, what_of

_INSTALLS = re.compile(
    r"^\s*(?:[$>-]\s*)?((?:pip|pip3|uv|poetry|conda|mamba|pipenv|pdm)\s+(?:pip\s+)?"
    r"(?:install|sync|env create|create)\b[^`|]*)"
)
_FIXED = re.compile(r"^[\w.-]+(\[[^\]]*\])?\s*==")
_MOST_SENTENCES = 20
_LOCKS = ("uv.lock", "poetry.lock", "pipfile.lock", "conda-lock.yml", "pdm.lock")
_FOLDERS = {
    "tests": "tests",
    "docs": "documentation",
    "configs": "settings",
    "conf": "settings",
    "config": "settings",
    "data": "data",
    "notebooks": "notebooks",
    "models": "models",
    "reports": "reports",
    ".github": "continuous integration and what else belongs to the forge",
    "docker": "container files",
    "dockerfiles": "container files",
    "scripts": "scripts",
    "app": "the application",
}


def dependencies(facts: Facts) -> Draft:
    """What is listed where, how it is installed, and on what the model was trained."""
    told, tree = Told(), facts.repo.tree
    for path, names in list(listed_packages(facts.repo).by_file.items())[:4]:
        if names:
            shown = listed([quoted(name) for name in sorted(names)], most=7)
            first = next((line for name in sorted(names) if (line := _lists(facts, path, name))), None)
            listing = f"{quoted(path)} lists {counted(len(names), 'package')}: {shown}."
            told.say(listing, first, facts.tally(f"packages in {path}"))
    for path in tree.named("*requirements*.txt", "constraints*.txt")[:3]:
        fixed = [number for number, line in enumerate(tree.lines(path), 1) if _FIXED.match(line)]
        if fixed:
            told.say(
                f"{quoted(path)} fixes the exact version of {counted(len(fixed), 'package')}.",
                facts.line(path, fixed[0]),
                facts.tally(f"exact versions in {path}"),
            )
    for path in tree.named(*_LOCKS)[:2]:
        told.say(f"{quoted(path)} fixes the version of every package.", facts.line(path))
    if (wanted := facts.line("pyproject.toml", part="requires-python")) is not None:
        told.say(f"The project states which Python it needs: {quoted(wanted.text)}.", wanted)
    for path in tree.named("environment*.y*ml", ".python-version")[:2]:
        if (wanted := facts.line(path, part="python" if path.endswith("ml") else "")) is not None:
            told.say(f"The version of Python stands in {quoted(path)}.", wanted)
    found: dict[str, FileLine | None] = {}
    for path in [*tree.named("readme*", "contributing*")[:3], *tree.named("*.md")[:20]]:
        for number, text in enumerate(tree.lines(path), start=1):
            if command := _INSTALLS.match(text):
                found.setdefault(command[1].partition(" #")[0].strip(), facts.line(path, number))
    if found:
        steps = listed([quoted(one) for one in list(found)[:4]])
        told.say(f"A new member gets them as the pages say, with {steps}.", *list(found.values())[:4])
    for one in facts.repo.commands:
        if _INSTALLS.match(one.text) and one.file.startswith((".github/", "Dockerfile", "Makefile")):
            told.say(f"{quoted(one.file)} runs {quoted(one.text)}.", facts.line(one.file, one.line))
    for image in facts.repo.dockerfiles[:2]:
        if image.bases and not image.problems:
            line = facts.line(image.path, part="FROM")
            told.say(
                f"An image with the environment in it is built from {quoted(image.path)}, which starts from "
                f"{quoted(image.bases[0])}.",
                line,
            )
    _trained_on(facts, told)
    return told.draft()


def _lists(facts: Facts, path: str, name: str) -> FileLine | None:
    for number, line in enumerate(facts.repo.tree.lines(path), start=1):
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.sub(r"[_.]", "-", line.lower())):
            return facts.line(path, number)
    return None


def _trained_on(facts: Facts, told: Told) -> None:
    packages = facts.environment.get("packages") or {}
    if facts.run is None or not packages:
        return
    file = f"runs/{facts.run.id}/environment.json"
    few = [name for name in ("torch", "onnxruntime", "numpy", "transformers", "holdfast") if name in packages]
    shown = listed([f"{name} {packages[name]}" for name in few])
    told.say(
        f"The run {quoted(facts.run.id)} noted what it was made with: Python "
        f"{facts.environment.get('python')}, {shown}.",
        facts.kept(file, '"python"'),
        *(facts.kept(file, f'"{name}": "{packages[name]}"') for name in few),
    )
    told.say(
        "A digest over all of these packages is kept with the run, so that another environment shows.",
        facts.of_run(f'"environment_digest": "{facts.run.info.environment_digest}"'),
    )


def structure(facts: Facts) -> Draft:
    """The folders, and what the modules say of themselves."""
    told, repo = Told(), facts.repo
    for path in repo.tree.named(".cookiecutter.json", ".cruft.json", ".copier-answers.yml")[:1]:
        told.say(f"The project was made from a template, as {quoted(path)} shows.", facts.line(path))
    inside = packages_of(repo)
    for top, files in list(inside.items())[:3]:
        first = next((line for path in files if (line := facts.line(path))), None)
        names = [quoted(path.removeprefix(f"{top}/")) for path in files if not path.endswith("__init__.py")]
        which = f", such as {listed(names, most=8)}" if names else ""
        told.say(
            f"The package {quoted(top)} holds {counted(len(files), 'Python file')}{which}.",
            first,
            facts.tally(f"Python files in {top}"),
        )
    _folders(facts, told)
    for path in repo.tree.named("readme.md", "readme.rst", "readme.txt")[:1]:
        heads = [line.lstrip("# ").strip() for line in repo.tree.lines(path) if line.startswith("#")]
        if heads:
            shown = listed([quoted(head, 60) for head in heads])
            told.say(
                f"{quoted(path)} leads through it under the headings {shown}.",
                facts.line(path, part=heads[0]),
            )
    place = {top: at for at, top in enumerate(inside)}
    codes = sorted(
        repo.own[:400],
        key=lambda code: next((place[top] for top in place if code.path.startswith(f"{top}/")), len(place)),
    )
    for code in codes:
        doc = ast.get_docstring(code.tree) if code.tree else None
        if doc and len(told.sentences) < _MOST_SENTENCES:
            words = " ".join(doc.split("\n\n")[0].split())[:120].rstrip(".")
            told.say(
                f"{quoted(code.path)} says of itself: {quoted(words, 120)}.",
                _docstring(facts, code.path, doc),
            )
    return told.draft()


def _folders(facts: Facts, told: Told) -> None:
    counts = Counter(file.split("/")[0] for file in facts.repo.tree.files if "/" in file)
    for folder, count in counts.most_common():
        what = _FOLDERS.get(folder.lower())
        files = [file for file in facts.repo.tree.files if file.startswith(folder + "/")]
        first = next((line for file in files[:20] if (line := facts.line(file))), None)
        if what and first:
            holds = "" if what == folder.lower() else f": {what}"
            told.say(
                f"The folder {quoted(folder)} has {counted(count, 'file')}{holds}.",
                first,
                facts.tally(f"files in {folder}"),
            )


def _docstring(facts: Facts, path: str, doc: str) -> FileLine | None:
    return facts.line(path, part=doc.strip().split("\n")[0].strip())


def quality(facts: Facts) -> Draft:
    """Linters, hooks, types and docstrings; why they matter is left to people."""
    told = Told()
    linted, checks = facts.probe(probes_ci.linting)
    if checks:
        shown = what_of(linted.seen[:3])
        told.say(f"Style is checked whenever the code changes, by {shown}.", *checks[:3])
    before, hooks = facts.probe(probes_ci.hooks)
    if hooks:
        names = what_of(before.seen)
        told.say(f"Hooks run before each commit: {names}.", *hooks[:6])
    for name, what in (
        ("ruff", "lints and formats"),
        ("black", "formats"),
        ("isort", "sorts imports"),
        ("mypy", "checks types"),
        ("pyright", "checks types"),
    ):
        line = facts.line("pyproject.toml", part=f"[tool.{name}")
        told.say(f"{name} {what}, with settings in `pyproject.toml`.", line)
    typed, _ = facts.probe(probes_code.typed_documented)
    for one in typed.seen:
        told.say(f"In the code, {one.what}.", _by_checklist(one.what))
    style, _ = facts.probe(probes_code.style)
    if style.verdict == "yes" and style.seen:
        told.say(f"Held against PEP 8, there are {style.seen[0].what}.", _by_checklist(style.seen[0].what))
    answer, pages = facts.probe(probes_docs.documentation)
    if pages:
        told.say(f"There is documentation: {answer.seen[-1].what}.", pages[-1])
    return told.draft("why these rules matter in larger projects, in your words")


def _by_checklist(what: str) -> Said:
    """Evidence that the checklist has counted."""
    return Said("holdfast checklist . --json", what)


def framework(facts: Facts) -> Draft:
    """Which packages of others the code imports; which of them was the choice is left to people."""
    told = Told()
    for name, seen in sorted(needed(facts.repo).items()):
        files = sum(bool(code.imported(seen.what.split()[-1].split(".")[0])) for code in facts.repo.own)
        used = f" in {counted(files, 'file')}" if files else ""
        shown = seen.what.split()[-1] if name in SHARED else name
        told.say(f"The code imports {quoted(shown)}{used}.", facts.line(seen.file, seen.line))
    if facts.run and (packages := facts.environment.get("packages")):
        version = packages.get("holdfast")
        file = f"runs/{facts.run.id}/environment.json"
        told.say(f"Models are trained with Holdfast {version}.", facts.kept(file, f'"holdfast": "{version}"'))
    return told.draft("which of them you chose beyond what was given, for what, and whether it helped")
