"""How many there are of what a repository holds: tests, files, packages, workflows."""

import re
from collections import Counter

from holdfast.checklist.packages import listed
from holdfast.checklist.probes_tests import all_tests
from holdfast.checklist.repo import Repo

_FIXED = re.compile(r"^[\w.-]+(\[[^\]]*\])?\s*==")
KINDS = {"data": "the data", "model": "the model or its training", "api": "answers of the API"}
"""What a test may test, in words."""


def counts(repo: Repo) -> dict[str, int]:
    """What is counted, in words, such as `tests that assert something` or `files in docs`."""
    good, empty = all_tests(repo)
    found = {
        "tests that assert something": len(good),
        "files with such tests": len({test.file for test in good}),
        "tests that assert nothing": len(empty),
        **{f"tests of {what}": sum(kind in test.kinds for test in good) for kind, what in KINDS.items()},
        "workflows": len(repo.workflows),
        "container files": len([image for image in repo.dockerfiles if image.bases]),
    }
    folders = Counter(file.split("/")[0] for file in repo.tree.files if "/" in file)
    found |= {f"files in {folder}": count for folder, count in sorted(folders.items())}
    found |= {f"Python files in {top}": len(inside) for top, inside in packages_of(repo).items()}
    for path, names in listed(repo).by_file.items():
        found[f"packages in {path}"] = len(names)
    for path in repo.tree.named("*requirements*.txt", "constraints*.txt"):
        found[f"exact versions in {path}"] = sum(bool(_FIXED.match(line)) for line in repo.tree.lines(path))
    return {what: count for what, count in found.items() if what.isprintable()}


def packages_of(repo: Repo) -> dict[str, list[str]]:
    """The Python files of each package that is in no other, the largest package first."""
    tops = {code.path.rpartition("/")[0] for code in repo.own if code.path.endswith("/__init__.py")}
    tops = {top for top in tops if not any(top.startswith(f"{other}/") for other in tops)}
    inside = {top: [code.path for code in repo.own if code.path.startswith(f"{top}/")] for top in tops}
    return dict(sorted(inside.items(), key=lambda pair: (-len(pair[1]), pair[0])))
