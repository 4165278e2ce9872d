"""What a Python file does, read from its syntax: nothing is run or imported."""

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Call:
    """A call.

    Attributes:
        name: dotted, with imports and assigned objects written out: `torch.optim.Adam().step`.
        line: from 1.
        node: its syntax.
        inside: the function or method that it stands in, such as `Net.forward`; empty at the top.
    """

    name: str
    line: int
    node: ast.Call
    inside: str

    def option(self, name: str) -> ast.expr | None:
        """The value of an argument that is given by name."""
        return next((keyword.value for keyword in self.node.keywords if keyword.arg == name), None)

    def text(self, place: int = 0) -> str | None:
        """The text that is given at a place, if it is written out."""
        args = self.node.args
        value = args[place] if place < len(args) else None
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


@dataclass(frozen=True)
class Function:
    """A function or method, by its dotted place in the file."""

    name: str
    node: Definition
    decorators: tuple[str, ...]
    decorating: tuple[ast.expr, ...]


@dataclass(frozen=True)
class Class:
    """A class with its bases, written out."""

    name: str
    node: ast.ClassDef
    bases: tuple[str, ...]
    decorators: tuple[str, ...]


@dataclass
class Code:
    """A file of Python.

    Attributes:
        faults: of style, by line, that its syntax shows.
        path: from the root of the repository.
        names: what its names stand for, such as `np` for `numpy`.
        imports: modules or what is taken from them, with the line, and whether it may be missing.
    """

    path: str
    lines: int = 0
    error: str | None = None
    tree: ast.Module | None = None
    names: dict[str, str] = field(default_factory=dict)
    imports: list[tuple[str, int, bool]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    classes: list[Class] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)

    @cached_property
    def by_name(self) -> dict[str, Function]:
        """Functions by their dotted place."""
        return {one.name: one for one in self.functions}

    @cached_property
    def class_by_name(self) -> dict[str, Class]:
        """Classes by their dotted place."""
        return {one.name: one for one in self.classes}

    @cached_property
    def fixtures(self) -> dict[str, Function]:
        """Fixtures of pytest by their names."""
        return {
            one.name: one
            for one in self.functions
            if any(name.startswith("pytest.fixture") for name in one.decorators)
        }

    @cached_property
    def _inside(self) -> dict[str, list[Call]]:
        found: dict[str, list[Call]] = {}
        for call in self.calls:
            name = call.inside
            while name:
                found.setdefault(name, []).append(call)
                name = name.rpartition(".")[0]
        return found

    def within(self, name: str) -> list[Call]:
        """The calls in a function, or in the methods of a class."""
        return self._inside.get(name, [])

    @property
    def is_test(self) -> bool:
        """Whether a test runner would look into it, or its folder is one of tests."""
        path = PurePosixPath(self.path)
        in_tests = any(part.lower() in ("tests", "test") for part in path.parts[:-1])
        return in_tests or path.name.startswith("test_") or path.stem.endswith("_test")

    def called(self, pattern: str) -> list[Call]:
        """Calls whose whole name a regular expression fits."""
        fits = re.compile(pattern).fullmatch
        return [call for call in self.calls if fits(call.name)]

    def imported(self, *roots: str) -> list[tuple[str, int]]:
        """Imports of a package, or of what lies in it."""
        return [
            (name, line)
            for name, line, _ in self.imports
            if any(name == root or name.startswith(root + ".") for root in roots)
        ]

    def name_of(self, node: ast.expr) -> str:
        """The dotted name of an expression, as far as it has one."""
        chain: list[str] = []
        while True:
            match node:
                case ast.Attribute():
                    chain.append("." + node.attr)
                    node = node.value
                case ast.Call():
                    chain.append("()")
                    node = node.func
                case ast.Subscript() | ast.Await():
                    node = node.value
                case _:
                    break
        name = node.id if isinstance(node, ast.Name) else "?"
        name = self.names.get(name, name)
        for part in reversed(chain):
            name = self.names.get(name + part, name + part)
        return name[:300]


def read_code(path: str, text: str) -> Code:
    """What a file does; damaged files have an `error`, and nothing else.

    >>> code = read_code("a.py", "import wandb as w\\nrun = w.init()\\nrun.log({})")
    >>> [call.name for call in code.calls]
    ['wandb.init', 'wandb.init().log']
    """
    code = Code(path, text.count("\n") + 1)
    try:
        code.tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        code.error = f"{type(error).__name__}" + (f" in line {line}" if line else "")
        return code
    _Reader(code).read(code.tree)
    return code


class _Reader:
    """Goes through the syntax with a list of what is left, since a deep file would end a recursion."""

    def __init__(self, code: Code) -> None:
        self.code = code

    def read(self, tree: ast.Module) -> None:
        waiting: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
        while waiting:
            node, inside, optional = waiting.pop()
            kind = type(node)
            if kind is ast.Call and isinstance(node, ast.Call):
                self.code.calls.append(Call(self.code.name_of(node.func), node.lineno, node, inside))
            elif kind in _STATEMENTS:
                inside, optional = self._state(node, inside, optional)
            if kind is ast.If and _is_false(node):
                found = list(getattr(node, "orelse", []))  # the rest never runs
            else:
                found = _children(node)
            waiting.extend((child, inside, optional) for child in reversed(found))

    def _state(self, node: ast.AST, inside: str, optional: bool) -> tuple[str, bool]:
        """Keep what a statement says; where its parts stand, and whether their imports may fail."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return self._define(node, inside), optional
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, optional)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            self._assign(node)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._remember(item.optional_vars, item.context_expr)
        elif isinstance(node, ast.If):
            optional = optional or self.code.name_of(node.test).endswith("TYPE_CHECKING")
        elif isinstance(node, ast.Try):
            optional = optional or any(_catches_import(handler) for handler in node.handlers)
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            self.code.faults.append((node.lineno, "except without a type"))
        return inside, optional

    def _define(self, node: Definition | ast.ClassDef, inside: str) -> str:
        name = f"{inside}.{node.name}" if inside else node.name
        decorating = tuple(node.decorator_list)
        decorators = tuple(self.code.name_of(one) for one in decorating)
        if isinstance(node, ast.ClassDef):
            bases = tuple(self.code.name_of(base) for base in node.bases)
            self.code.classes.append(Class(name, node, bases, decorators))
        else:
            self.code.functions.append(Function(name, node, decorators, decorating))
        return name

    def _import(self, node: ast.Import | ast.ImportFrom, optional: bool) -> None:
        if isinstance(node, ast.Import):
            if len(node.names) > 1:
                self.code.faults.append((node.lineno, "several imports in one line"))
            for name in node.names:
                self.code.imports.append((name.name, node.lineno, optional))
                self.code.names[name.asname or name.name.split(".")[0]] = (
                    name.name if name.asname else name.name.split(".")[0]
                )
            return
        module = self._absolute(node)
        if any(name.name == "*" for name in node.names):
            self.code.faults.append((node.lineno, f"from {module} import *"))
        for name in node.names:
            whole = f"{module}.{name.name}" if name.name != "*" else module
            self.code.imports.append((whole, node.lineno, optional or node.level > 0))
            self.code.names[name.asname or name.name] = whole

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folder = PurePosixPath(self.code.path).parts[:-1]
        up = folder[: len(folder) - node.level + 1]
        return ".".join([*up, *((node.module or "").split(".") if node.module else [])])

    def _assign(self, node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._remember(target, node.value)

    def _remember(self, target: ast.expr | None, value: ast.expr | None) -> None:
        """A name for what a call gave."""
        if isinstance(value, ast.Await):
            value = value.value
        if not isinstance(value, ast.Call):
            return
        name = target.id if isinstance(target, ast.Name) else ""
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            name = f"{target.value.id}.{target.attr}"
        if name and not (made := self.code.name_of(value)).startswith("?"):
            self.code.names[name] = made


_LEAVES = {
    *(ast.Name, ast.Constant, ast.Load, ast.Store, ast.Del, ast.Pass),
    *(kind for base in (ast.operator, ast.boolop, ast.unaryop, ast.cmpop) for kind in base.__subclasses__()),
}
_STATEMENTS = {
    *(
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
    ),
    *(ast.NamedExpr, ast.With, ast.AsyncWith, ast.If, ast.Try, ast.ExceptHandler),
}


def _children(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that can hold a call or a statement, in their order."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if type(value) is list:
            found.extend(item for item in value if isinstance(item, ast.AST) and type(item) not in _LEAVES)
        elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
            found.append(value)
    return found


def _is_false(node: ast.AST) -> bool:
    """`if False:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and not node.test.value


def _catches_import(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    wanted = ("ImportError", "ModuleNotFoundError", "Exception")
    return any(isinstance(one, ast.Name) and one.id in wanted for one in named)
