"""Which applications the images of a repository start, and what belongs to them."""

import re

from holdfast.checklist.code import Code
from holdfast.checklist.repo import Repo

_SERVERS = ("uvicorn", "gunicorn", "hypercorn", "fastapi")


def started(repo: Repo) -> set[str] | None:
    """The files of the applications that container files start, with all that these import.

    None where an image starts something that is not followed here, or none starts a server.
    """
    paths: set[str] = set()
    for image in repo.dockerfiles:
        for command in image.commands:
            if command.program in _SERVERS:
                code = _application(repo, command.args)
                if code is None:
                    return None
                paths |= _imported(repo, code)
    return paths or None


def _application(repo: Repo, args: tuple[str, ...]) -> Code | None:
    """The file of `package.module:app`, or of `fastapi run path`."""
    for word in args:
        if named := re.fullmatch(r"([\w.]+):[\w.]+(\(\))?", word):
            return repo.module_of(named[1])
        if word.endswith(".py"):
            return next(
                (code for code in repo.own if f"/{code.path}".endswith(f"/{word.lstrip('./')}")), None
            )
    return None


def _imported(repo: Repo, code: Code) -> set[str]:
    found, waiting = {code.path}, [code]
    while waiting:
        for name, _, _ in waiting.pop().imports:
            other = repo.module_of(name)
            if other is not None and other.path not in found:
                found.add(other.path)
                waiting.append(other)
    return found
