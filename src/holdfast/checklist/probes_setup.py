"""The repository itself: Git, environment, structure, packages."""

import re

from holdfast.checklist.answer import Answer, Seen, no, unknown, yes
from holdfast.checklist.packages import listed, needed
from holdfast.checklist.repo import Repo
from holdfast.checklist.tree import line_of, read_bytes


def git(repo: Repo) -> Answer:
    """A `.git` with a head."""
    root = repo.tree.root
    if (root / ".git").is_file() and not (root / ".git").is_symlink():
        return yes(Seen(".git", 1, "a worktree of a repository elsewhere"))
    head = _git_file(repo, "HEAD")
    if not head:
        return no("there is no .git with a HEAD")
    return yes(Seen(".git/HEAD", 1, head))


def access(_: Repo) -> Answer:
    """Who may push stands on the server."""
    return unknown(
        "who may push is kept by the server of the repository",
        "`gh api repos/OWNER/NAME/collaborators`, or its page Settings, Collaborators",
    )


def pushed(repo: Repo) -> Answer:
    """The branch of the remote is at the same commit."""
    if not (repo.tree.root / ".git").is_dir():
        return unknown("the history is not in this folder", "`git status` and `git remote -v` there")
    config = _git_file(repo, "config")
    url = re.search(r'\[remote "([^"]+)"\][^\[]*?url\s*=\s*(\S+)', config)
    if not url:
        return no("the repository has no remote")
    line = line_of(config, url.group(2))
    remote = Seen(".git/config", line, re.sub(r"//[^@/]*@", "//", url.group(2)))  # never tell a password
    branch = _git_file(repo, "HEAD").removeprefix("ref: ").strip()
    here, there = _commit(repo, branch), _commit(repo, f"refs/remotes/{url.group(1)}/{branch[11:]}")
    if not there or not here:
        return unknown(
            f"no commit of {branch[11:] or 'the branch'} is known at the remote",
            "`git fetch; git status`",
            remote,
        )
    if here != there:
        return no(
            f"{branch[11:]} is at {here[:9]} here and at {there[:9]} at the remote: push or pull", remote
        )
    return yes(remote, Seen(f".git/{branch}", None, f"{here[:9]}, as at the remote"))


def _commit(repo: Repo, ref: str) -> str:
    if loose := _git_file(repo, ref):
        return loose.split()[0]
    packed = re.search(
        rf"^([0-9a-f]{{40,64}}) {re.escape(ref)}$", _git_file(repo, "packed-refs"), re.MULTILINE
    )
    return packed.group(1) if packed else ""


def _git_file(repo: Repo, name: str) -> str:
    folder = repo.tree.root / ".git"
    if not name or ".." in name.split("/") or folder.is_symlink() or not folder.is_dir():
        return ""
    path = folder / name
    if path.parent.resolve() != folder.resolve() / path.relative_to(folder).parent:
        return ""  # a link leads elsewhere
    try:
        return (read_bytes(path) or b"").decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""


def environment(repo: Repo) -> Answer:
    """A file from which an environment is made, and which says what goes into it."""
    locks = ("uv.lock", "poetry.lock", "pipfile.lock", "conda-lock.yml", "pixi.lock", "constraints.txt")
    packages = listed(repo)
    found = [
        Seen(path, None, "a lock of versions") for path in repo.tree.named(*locks) if repo.tree.text(path)
    ]
    found += [Seen(path, None, f"{len(names)} packages") for path, names in packages.by_file.items() if names]
    python = [Seen(path, 1, "a version of Python") for path in repo.tree.named(".python-version")]
    return yes(*found, *python) if found else no("no file says what an environment holds")


_TEMPLATES = (".cookiecutter.json", ".cruft.json", ".copier-answers.yml", ".copier-answers.yaml")


def structure(repo: Repo) -> Answer:
    """The answers to a template, or a package, its tests and its settings in their places."""
    tree = repo.tree
    given = [path for path in _TEMPLATES if tree.text(path)]
    if given:
        return yes(*(Seen(path, None, "answers to a template") for path in given))
    packages = [code.path for code in repo.own if re.fullmatch(r"(src/)?[\w]+/__init__\.py", code.path)]
    packages = [path for path in packages if not path.startswith(("tests/", "docs/"))]
    settings = [name for name in ("pyproject.toml", "setup.py", "setup.cfg") if tree.text(name)]
    readme = [path for path in tree.named("readme*") if "/" not in path]
    tests = [str(name) for name in ("tests", "test") if name in tree.folders]
    places: dict[str, list[str]] = {
        "a package": packages,
        "a pyproject.toml": settings,
        "a README": readme,
        "a folder of tests": tests,
    }
    absent = [what for what, there in places.items() if not there]
    if absent:
        return no(
            f"no answers to a template, and no {', no '.join(part.removeprefix('a ') for part in absent)}"
        )
    return yes(*(Seen(there[0], None, what) for what, there in places.items()))


def requirements(repo: Repo) -> Answer:
    """Every package that the code imports is listed somewhere."""
    packages = listed(repo)
    wanted = needed(repo)
    files = [Seen(path, None, f"{len(names)} packages") for path, names in packages.by_file.items() if names]
    if not files:
        return no("no file lists packages")
    absent = {name: seen for name, seen in wanted.items() if not packages.covers(name)}
    if absent:
        return no(f"imported and not listed: {', '.join(sorted(absent))}", *absent.values())
    if not wanted:
        return no("the code imports no packages, so none that is listed is used", *files)
    return yes(*files, Seen(files[0].file, None, f"all {len(wanted)} packages that are imported are listed"))


def licence(repo: Repo) -> Answer:
    """A licence with its words in it."""
    for path in repo.tree.named("licen[cs]e*", "copying*"):
        text = repo.tree.text(path) or ""
        if (
            "/" not in path
            and re.search(r"licen[cs]e|permission|copyright", text, re.IGNORECASE)
            and len(text) > 200
        ):
            return yes(Seen(path, 1, next(line.strip() for line in text.split("\n") if line.strip())))
    return no("no file LICENSE with a licence in it at the root")
