"""What the tests of a repository test: a test that asserts nothing tests nothing."""

import ast
import re
from dataclasses import dataclass
from typing import Literal

from holdfast.checklist.code import Code, Function
from holdfast.checklist.repo import Repo

Kind = Literal["data", "model", "api"]
_ASSERTING = re.compile(
    r"(.*\.)?(assert_?\w*|raises|warns|fail|check_\w+)|self\.(assert\w+|fail\w*)|.*testing\.assert_\w+"
)
_CLIENT = re.compile(
    r"((fastapi|starlette)\.testclient\.TestClient|httpx\.(Async)?Client|requests|httpx)\b.*"
)
_ASKS = re.compile(
    r".*(TestClient|Client)\(\)(\.__enter__)?\.(get|post|put|patch|delete|request)|(requests|httpx)\.(get|post|put)"
)
_DATA_NAME = re.compile(r"(^|[._/])\w*(data|dataset|dataloader|loader|preprocess)\w*$", re.IGNORECASE)
_MODEL_NAME = re.compile(r"(^|[._/])\w*(model|net|train|classifier|fit|predict)\w*$", re.IGNORECASE)
_DATA_BASE = re.compile(r".*(Dataset|DataModule|IterableDataset)")
_MODEL_BASE = re.compile(r".*\b(nn\.Module|LightningModule|PreTrainedModel|BaseEstimator|Model)")
_TRAINS = re.compile(r".*(\.backward|\.fit|\.train|optim\.\w+\(\)\.step)")
_DATA_PATH = re.compile(r"(^|/)data/")


@dataclass(frozen=True)
class UnitTest:
    """A test that asserts something, and what of the repository it tests."""

    file: str
    line: int
    name: str
    kinds: frozenset[Kind]


def unit_tests(repo: Repo) -> tuple[list[UnitTest], list[UnitTest]]:
    """The tests that assert something, and those that do not."""
    good: list[UnitTest] = []
    empty: list[UnitTest] = []
    for code in repo.tests:
        for function in code.functions:
            if not _is_collected(code, function):
                continue
            does = _asserts(code, function, repo)
            kinds = _kinds(repo, code, function) if does else frozenset[Kind]()
            (good if does else empty).append(UnitTest(code.path, function.node.lineno, function.name, kinds))
    return good, empty


def _is_collected(code: Code, function: Function) -> bool:
    """Whether a test runner takes it for a test, and does not skip it."""
    *owners, name = function.name.split(".")
    if not name.startswith("test") or len(owners) > 1:
        return False
    if any(re.fullmatch(r"(pytest\.mark|unittest)\.skip(\(\))?", one) for one in function.decorators):
        return False
    file = code.path.rpartition("/")[2]
    if not (file.startswith("test") or file.endswith("_test.py")):
        return False
    if owners:
        owner = code.class_by_name.get(owners[0])
        return owner is not None and (
            owners[0].startswith("Test") or any(base.endswith("TestCase") for base in owner.bases)
        )
    return True


def _asserts(code: Code, function: Function, repo: Repo, depth: int = 2) -> bool:
    for node in ast.walk(function.node):
        if isinstance(node, ast.Assert) and _depends(node.test):
            return True
        if isinstance(node, ast.Call):
            name = code.name_of(node.func)
            if _ASSERTING.fullmatch(name) and (node.args or node.keywords or ".assert_" in name):
                return any(_depends(arg) for arg in node.args) or ".assert_" in name or "raises" in name
            helper = code.by_name.get(name)
            if (
                depth
                and helper is not None
                and helper is not function
                and _asserts(code, helper, repo, depth - 1)
            ):
                return True
    return False


def _depends(test: ast.expr) -> bool:
    """Whether what is asserted depends on anything: `assert True` and `assert 1 == 1` do not."""
    return any(isinstance(node, ast.Name | ast.Call | ast.Attribute) for node in ast.walk(test))


def _kinds(repo: Repo, code: Code, function: Function) -> frozenset[Kind]:
    kinds: set[Kind] = set()
    names = _names(code, function)
    calls = [call.name for call in code.within(function.name)]
    args = [arg.arg for arg in function.node.args.args]
    fixtures = [one.fixtures[arg] for one in _sources(repo, code) for arg in args if arg in one.fixtures]
    for fixture in fixtures:
        names |= _names(code, fixture)
    if any(_ASKS.fullmatch(name) for name in calls) or (
        fixtures and any(_CLIENT.fullmatch(name) for name in names)
    ):
        kinds.add("api")
    for name in names:
        kinds.update(_kind_of(repo, name))
    if any(_opens_data(node) for part in function.node.body for node in ast.walk(part)):
        kinds.add("data")
    return frozenset(kinds)


def _names(code: Code, function: Function) -> set[str]:
    """What a function speaks of, written out."""
    found = set()
    for node in (node for part in function.node.body for node in ast.walk(part)):
        if isinstance(node, ast.Attribute | ast.Name):
            found.add(code.name_of(node).replace("()", ""))
        elif isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", None)
            found.update(f"{module}.{one.name}" if module else one.name for one in node.names)
    return found


def _sources(repo: Repo, code: Code) -> list[Code]:
    """The files whose fixtures a test can take."""
    folder = code.path.rpartition("/")[0]
    by_path = repo.shared("tests by path", lambda: {one.path: one for one in repo.tests})
    paths = dict.fromkeys((code.path, f"{folder}/conftest.py", "tests/conftest.py"))
    return [by_path[path] for path in paths if path in by_path]


def _opens_data(node: ast.AST) -> bool:
    """A call that is given a path of the data."""
    return isinstance(node, ast.Call) and any(
        isinstance(arg, ast.Constant) and isinstance(arg.value, str) and _DATA_PATH.search(arg.value)
        for arg in node.args
    )


def _kind_of(repo: Repo, name: str) -> set[Kind]:
    """Whether a name of this repository is one of data or of models, by what it is, else by its name."""
    target = repo.module_of(name)
    if target is None or target.is_test or target.tree is None:
        return set()
    last = name.rpartition(".")[2]
    if last.endswith(("Error", "Exception", "Warning")):  # a `DataError` is no data
        return set()
    kind = target.class_by_name.get(last)
    for base in kind.bases if kind else ():
        if _DATA_BASE.fullmatch(base):
            return {"data"}
        if _MODEL_BASE.fullmatch(base):
            return {"model"}
    if last in target.by_name:
        if any(_TRAINS.fullmatch(call.name) for call in target.within(last)):
            return {"model"}
        if target.called(r"fastapi\.FastAPI"):
            return set()
        if _DATA_NAME.search(last) or _DATA_NAME.search(target.path.removesuffix(".py")):
            return {"data"}
        if _MODEL_NAME.search(last) or _MODEL_NAME.search(target.path.removesuffix(".py")):
            return {"model"}
        return set()
    if kind is not None:
        if _MODEL_NAME.search(last):
            return {"model"}
        return {"data"} if _DATA_NAME.search(last) else set()
    return set()
