"""Continuous integration, hooks, and images."""

import re
from collections.abc import Callable, Iterator

from holdfast.checklist.answer import Answer, Seen, no, unknown, yes
from holdfast.checklist.ci import Workflow
from holdfast.checklist.commands import Command
from holdfast.checklist.documents import at, texts
from holdfast.checklist.repo import Repo, seen_command
from holdfast.checklist.tree import line_of

_TESTS = ("pytest", "unittest", "nose2", "trial")
_LINTERS = (
    "ruff",
    "flake8",
    "pylint",
    "black",
    "isort",
    "mypy",
    "pycodestyle",
    "pyright",
    "pyflakes",
    "prospector",
)


def _testing(repo: Repo) -> Iterator[tuple[Workflow, Command]]:
    """Workflows that run tests when the code changes."""
    for flow in repo.workflows:
        if flow.on_change:
            for command in repo.expanded(flow.commands()):
                if command.program in _TESTS:
                    yield flow, command


def integration(repo: Repo) -> Answer:
    """A workflow that a change of the code starts and that runs tests."""
    found = [seen_command(command) for _, command in _testing(repo)]
    if found:
        return yes(*found)
    if script := [path for path in repo.tree.files if path.startswith(".ci/")]:
        return unknown(
            f"{script[0]} is there, but no file says who starts it",
            "the settings of the service that does",
            Seen(script[0], 1, "a script of continuous integration"),
        )
    if not repo.workflows:
        return no("there is no workflow")
    late = [
        Seen(flow.path, None, f"starts on {', '.join(flow.triggers) or 'nothing'}") for flow in repo.workflows
    ]
    if not any(flow.on_change for flow in repo.workflows):
        return no("no workflow starts when the code changes", *late)
    return no("no workflow that a change starts runs tests", *late)


def matrix(repo: Repo) -> Answer:
    """A cache, and more than one system and version in the tests."""
    flows = list({id(flow): flow for flow, _ in _testing(repo)}.values())
    if not flows:
        return no("no workflow runs tests when the code changes")
    several: list[Seen] = []
    caches: list[Seen] = []
    for flow in flows:
        text = repo.tree.text(flow.path) or ""
        for job in flow.jobs:
            for key, values in job.matrix.items():
                if len({str(value) for value in values}) > 1 and re.search(
                    r"\bos\b|system|python|torch|platform|image|runner", key.lower()
                ):
                    several.append(
                        Seen(flow.path, line_of(text, f"{key}:"), f"{key}: {', '.join(map(str, values))}")
                    )
            for step in job.steps:
                cached = [
                    f"{key}: {value}"
                    for key, value in step.options.items()
                    if "cache" in str(key) and value not in (False, "false")
                ]
                if step.uses.startswith("actions/cache") or (step.uses and cached):
                    caches.append(Seen(flow.path, step.line, f"{step.uses} {', '.join(cached)}".strip()))
    absent = [
        what for what, seen in (("a cache", caches), ("several systems or versions", several)) if not seen
    ]
    if absent:
        return no(f"the tests run without {' and without '.join(absent)}", *caches, *several)
    return yes(*caches, *several)


def linting(repo: Repo) -> Answer:
    """A step that checks style or types when the code changes."""
    found = []
    for flow in repo.workflows:
        if not flow.on_change:
            continue
        found += [seen_command(one) for one in repo.expanded(flow.commands()) if one.program in _LINTERS]
        found += [
            seen_command(one) for one in flow.commands() if one.program == "pre-commit" and _hooks(repo)
        ]
        for step in flow.steps():
            if re.match(
                r"(astral-sh/ruff-action|chartboost/ruff-action|psf/black|pre-commit/action|py-actions/flake8|super-linter)",
                step.uses,
            ):
                found.append(Seen(flow.path, step.line, step.uses))
    return yes(*found) if found else no("no workflow that a change starts runs a linter")


def _hooks(repo: Repo) -> list[Seen]:
    found = []
    for path in (".pre-commit-config.yaml", ".pre-commit-config.yml"):
        text = repo.tree.text(path) or ""
        for document in repo.yamls.get(path, []):
            for source in at(document, "repos") if isinstance(at(document, "repos"), list) else ():
                hooks = at(source, "hooks")
                for hook in hooks if isinstance(hooks, list) else ():
                    if name := at(hook, "id"):
                        found.append(Seen(path, line_of(text, f"id: {name}"), str(name)))
    return found


def hooks(repo: Repo) -> Answer:
    """A configuration of pre-commit with hooks in it."""
    found = _hooks(repo)
    if found:
        return yes(*found)
    there = repo.tree.named(".pre-commit-config.y*ml")
    return no(
        "the configuration of pre-commit has no hooks" if there else "there is no .pre-commit-config.yaml",
        *(Seen(path, None, "no hooks") for path in there),
    )


def data_trigger(repo: Repo) -> Answer:
    """A workflow that starts when files of the data change, and does something."""

    def fits(flow: Workflow) -> str | None:
        for name in ("push", "pull_request"):
            for path in texts(at(flow.triggers.get(name), "paths")):
                if re.search(r"\.dvc\b|dvc\.lock|(^|/)data(/|$|set)", path) and not path.startswith("!"):
                    return path
        named = texts(at(flow.triggers.get("repository_dispatch"), "types"))
        return next((name for name in named if re.search(r"data", name)), None)

    return _triggered(repo, fits, "when the data change")


def registry_trigger(repo: Repo) -> Answer:
    """A workflow that the registry of models starts, or a server that follows an alias of it."""

    def fits(flow: Workflow) -> str | None:
        named = texts(at(flow.triggers.get("repository_dispatch"), "types"))
        return next(
            (name for name in named if re.search(r"model|regist|stag|alias|promot", name.lower())), None
        )

    ours = [
        seen_command(one)
        for one in repo.commands
        if one.program == "holdfast" and one.args[:1] == ("serve",) and re.search(r"@[a-z]", one.text)
    ]
    return yes(*ours) if ours else _triggered(repo, fits, "when the registry of models changes")


def _triggered(repo: Repo, fits: Callable[[Workflow], str | None], when: str) -> Answer:
    for flow in repo.workflows:
        what = fits(flow)
        if what is not None and any(step.uses or step.commands for step in flow.steps()):
            return yes(Seen(flow.path, line_of(repo.tree.text(flow.path) or "", what), f"starts on {what}"))
    return no(f"no workflow starts {when}")


def dockerfiles(repo: Repo) -> Answer:
    """A Dockerfile whose sources all exist."""
    good = [one for one in repo.dockerfiles if not one.problems]
    bad = [Seen(one.path, line, why) for one in repo.dockerfiles for line, why in one.problems]
    if bad:
        return no("an image cannot be built", *bad)
    if not good:
        return no("there is no Dockerfile")
    return yes(*(Seen(one.path, 1, f"FROM {one.bases[0]}; all that it copies is there") for one in good))


def images_work(repo: Repo) -> Answer:
    """Only a build tells, unless it cannot succeed."""
    found = dockerfiles(repo)
    if found.verdict == "no":
        return found
    files = [one.path for one in repo.dockerfiles]
    return unknown(
        "whether an image builds and starts is known once it did",
        f"`docker build -f {files[0]} . && docker run --rm IMAGE`",
        *found.seen,
    )


def image_trigger(repo: Repo) -> Answer:
    """A workflow that builds an image by itself; a file of Cloud Build needs a trigger in the console."""
    if not repo.dockerfiles:
        return no("there is no Dockerfile to build")
    for flow in repo.workflows:
        if not flow.by_itself:
            continue
        for step in flow.steps():
            if re.match(
                r"(docker/build-push-action|docker/bake-action|mr-smithers-excellent/docker-build-push)",
                step.uses,
            ):
                return yes(Seen(flow.path, step.line, step.uses))
        for command in repo.expanded(flow.commands()):
            if builds_image(command):
                return yes(seen_command(command))
    built = [seen_command(one) for lines in repo.cloud_builds.values() for one in lines if builds_image(one)]
    if built:
        return unknown(
            "Cloud Build would build it, but whether a trigger starts that is not in the files",
            "`gcloud builds triggers list`, or the console, Cloud Build, Triggers",
            *built,
        )
    return no("no workflow builds an image")


def builds_image(command: Command) -> bool:
    """Whether a command builds an image."""
    if command.program in ("docker", "podman", "buildah", "docker-compose"):
        return bool({"build", "bud", "buildx"} & set(command.args[:2])) or command.has("compose", "build")
    if command.program == "executor" and any(word.startswith("--destination") for word in command.args):
        return True  # kaniko
    return command.program == "gcloud" and command.has("builds", "submit")
