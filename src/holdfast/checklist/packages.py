"""Which packages a repository lists, and which its code imports."""

import ast
import re
import sys
from dataclasses import dataclass, field
from typing import Any

from holdfast.checklist.answer import Seen
from holdfast.checklist.code import Code
from holdfast.checklist.documents import at, read_toml, read_yaml, texts
from holdfast.checklist.repo import Repo
from holdfast.checklist.tree import normal

_DISTRIBUTIONS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "hydra": "hydra-core",
    "imblearn": "imbalanced-learn",
    "jwt": "pyjwt",
    "lightning": "lightning",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "pil": "pillow",
    "pkg-resources": "setuptools",
    "prometheus-fastapi-instrumentator": "prometheus-fastapi-instrumentator",
    "pytorch-lightning": "pytorch-lightning",
    "markdown-it": "markdown-it-py",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
_BROUGHT = {
    "omegaconf": ("hydra-core",),
    "pyyaml": ("hydra-core", "omegaconf"),
    "starlette": ("fastapi",),
    "pydantic": ("fastapi",),
    "click": ("typer",),
    "rich": ("typer",),
    "numpy": ("pandas", "torch", "scikit-learn", "torchvision"),
    "torch": ("lightning", "pytorch-lightning", "torchvision"),
    "pytorch-lightning": ("lightning",),
    "onnxruntime": ("onnxruntime-gpu",),
    "pydantic-core": ("pydantic",),
    "annotated-types": ("pydantic",),
    "gevent": ("locust",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "psycopg2": ("psycopg2-binary",),
    "tensorflow": ("tensorflow-cpu", "tensorflow-gpu"),
    "huggingface-hub": ("transformers", "datasets"),
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python"),
}
"""Packages that may be left to others that always bring them along."""
SHARED = ("google", "opentelemetry", "azure")
"""Names that many packages share."""


@dataclass
class Packages:
    """Names of packages by the file that lists them."""

    by_file: dict[str, set[str]] = field(default_factory=dict)

    def covers(self, name: str) -> bool:
        """Whether a package is listed, or brought by one that is."""
        every = set().union(*self.by_file.values()) if self.by_file else set()
        if every & {name, *_BROUGHT.get(name, ()), f"python-{name}", f"{name}-python", f"py{name}"}:
            return True
        return any(one.startswith(name + "-") for one in every) if name in SHARED else False


def canonical(name: str) -> str:
    """A name of a package as indexes compare it.

    >>> canonical("Scikit_Learn[all]>=1.0")
    'scikit-learn'
    """
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", name)
    return re.sub(r"[-_.]+", "-", found.group(1)).lower() if found else ""


def listed(repo: Repo) -> Packages:
    """What the repository lists in any file that is meant for it."""
    found = Packages()
    for path in repo.tree.named("*requirements*.txt", "*requirements*.in"):
        found.by_file[path] = _requirements(repo, path, set())
    for path in repo.tree.named("environment*.yml", "environment*.yaml", "conda*.yml"):
        found.by_file[path] = _conda(repo.tree.text(path) or "")
    for path in repo.tree.named("pyproject.toml"):
        found.by_file[path] = _pyproject(read_toml(repo.tree.text(path) or ""))
    for path in repo.tree.named("pipfile"):
        settings = read_toml(repo.tree.text(path) or "")
        tables = [at(settings, name) for name in ("packages", "dev-packages")]
        found.by_file[path] = {
            canonical(name) for table in tables if isinstance(table, dict) for name in table
        }
    for path in repo.tree.named("setup.cfg"):
        block = re.search(
            r"^install_requires\s*=\s*\n((?:[ \t]+.*\n?)*)", repo.tree.text(path) or "", re.MULTILINE
        )
        found.by_file[path] = (
            {canonical(line) for line in block.group(1).split("\n")} - {""} if block else set()
        )
    for code in repo.own:
        if code.path.endswith("setup.py"):
            found.by_file[code.path] = _setup(code)
    return found


def _requirements(repo: Repo, path: str, above: set[str]) -> set[str]:
    names: set[str] = set()
    if path in above:
        return names
    for line in repo.tree.lines(path):
        line = line.split(" #")[0].strip()
        if more := re.match(r"(-r|--requirement|-c)\s*(\S+)", line):
            beside = normal(f"{path.rpartition('/')[0]}/{more.group(2)}")
            names |= _requirements(repo, beside, above | {path}) if more.group(1) != "-c" else set()
        elif line and not line.startswith(("#", "-")):
            egg = (
                re.search(r"#egg=([\w.-]+)|/([\w.-]+?)(\.git)?(@|$)", line)
                if "://" in line.split("@")[0]
                else None
            )
            names.add(canonical((egg.group(1) or egg.group(2)) if egg else line))
    return names - {""}


def _conda(text: str) -> set[str]:
    names: set[str] = set()
    for document in read_yaml(text)[:1]:
        wanted = at(document, "dependencies")
        for one in wanted if isinstance(wanted, list) else []:
            more = texts(one.get("pip")) if isinstance(one, dict) else [str(one).rpartition("::")[2]]
            names |= {canonical(name) for name in more if not name.startswith("-")}
    return {"torch" if name == "pytorch" else name for name in names} - {"", "python", "pip"}


def _pyproject(settings: dict[str, Any]) -> set[str]:
    names = set(texts(at(settings, "project", "dependencies")))
    for group in (at(settings, "project", "optional-dependencies"), at(settings, "dependency-groups")):
        for wanted in group.values() if isinstance(group, dict) else ():
            names |= set(texts(wanted))
    poetry = at(settings, "tool", "poetry")
    tables = [at(poetry, "dependencies"), at(poetry, "dev-dependencies")]
    groups = at(poetry, "group")
    tables += [at(one, "dependencies") for one in (groups.values() if isinstance(groups, dict) else ())]
    for table in tables:
        names |= set(table) if isinstance(table, dict) else set()
    return {canonical(name) for name in names} - {"", "python"}


def _setup(code: Code) -> set[str]:
    names: set[str] = set()
    for call in code.called(r"(setuptools\.|distutils\.core\.)?setup"):
        for option in ("install_requires", "extras_require"):
            for node in ast.walk(value) if (value := call.option(option)) else ():
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    names.add(canonical(node.value))
    return names - {""}


def needed(repo: Repo) -> dict[str, Seen]:
    """Packages that the code cannot do without, with the first import of each; tests are left out."""
    found: dict[str, Seen] = {}
    tops = {name for name in repo.modules if "." not in name} | {
        folder.rpartition("/")[2] for folder in repo.tree.folders
    }
    for code in repo.own:
        if code.path.endswith(("setup.py", "tasks.py", "noxfile.py")) or code.path.startswith("docs/"):
            continue
        for module, line, optional in code.imports:
            top = module.split(".")[0]
            if optional or not top or top in sys.stdlib_module_names or top == "__future__" or top in tops:
                continue
            name = canonical(top)
            found.setdefault(_DISTRIBUTIONS.get(name, name), Seen(code.path, line, f"import {module}"))
    return found
