"""Command lines that a repository runs somewhere: which program, with which words."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_RULE = re.compile(r"^([\w./ -]+?)\s*::?(?!=)\s*([^=#]*)(?:#.*)?$")
_MAX_LINES = 2_000
_MAX_CHARS = 5_000
"""Of a script, and of a line of it."""
_ASSIGNED = re.compile(r"^\w+=")
_RUNNERS = {
    "uv": ("run",),
    "poetry": ("run",),
    "pipenv": ("run",),
    "pdm": ("run",),
    "hatch": ("run",),
    "coverage": ("run",),
}
_PREFIXES = {"sudo", "time", "nice", "nohup", "exec", "env", "xvfb-run", "then", "do", "else", "if", "!"}


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        file: that it stands in.
        line: from 1.
        program: without its folder, and without what only starts it, such as `uv run` or `python -m`.
        args: the words after it.
        text: as it is written.
        inside: the function that starts it, where code does.
    """

    file: str
    line: int | None
    program: str
    args: tuple[str, ...]
    text: str
    inside: str = ""

    def has(self, *words: str) -> bool:
        """Whether these words follow each other in it."""
        line = " ".join(self.args)
        return f" {' '.join(words)} " in f" {line} "


def commands_of(script: str, file: str, line: int | None = None) -> list[Command]:
    """The command lines of a script, without comments and without what is only printed.

    >>> [(it.program, it.args) for it in commands_of("cd x && uv run python -m pytest -q  # tests", "a.sh")]
    [('cd', ('x',)), ('pytest', ('-q',))]
    """
    return [
        command
        for place, text in _lines(script)
        for words in _parted(text)
        for command in _commands(words, text, file, None if line is None else line + place)
    ]


def _lines(script: str) -> Iterator[tuple[int, str]]:
    """Lines with those that go on joined, and the number of lines before each."""
    held, start = "", 0
    for place, text in enumerate(script.split("\n", _MAX_LINES)[:_MAX_LINES]):
        start = start if held else place
        if text.rstrip().endswith("\\") and len(held) < _MAX_CHARS:
            held += text.rstrip()[:-1] + " "
            continue
        whole = held + text
        held = ""
        if not whole.lstrip().startswith("#") and len(whole) < _MAX_CHARS:
            yield start, re.sub(r"\s#.*$", "", whole)


def _parted(text: str) -> list[list[str]]:
    """The words of each command of a line; marks between commands do not part what is quoted."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split, lexer.commenters = True, ""
    parted: list[list[str]] = [[]]
    try:
        for word in lexer:
            if set(word) <= set(";&|"):
                parted.append([])
            else:
                parted[-1].append(word)
    except ValueError:  # a quote that does not end
        return [text.split()]
    return parted


def _commands(words: Sequence[str], text: str, file: str, line: int | None) -> list[Command]:
    return [
        Command(file, line, program, tuple(args), text.strip())
        for program, *args in _started(words)
        if program not in ("echo", "printf")
    ]


def _started(words: Sequence[str]) -> Iterator[list[str]]:
    """What is started: `coverage run -m pytest` starts both coverage and pytest."""
    words = list(words)
    while words:
        first = PurePosixPath(words[0].lstrip("@-(")).name or words[0]
        rest = words[1:]
        if _ASSIGNED.match(words[0]) or first in _PREFIXES:
            words = rest
        elif first in _RUNNERS and rest[:1] == [_RUNNERS[first][0]]:
            if first == "coverage":
                yield [first, *rest]
            words = _after_options(rest[1:])
        elif re.fullmatch(r"(\$\(\w+\)|\$\{?\w+\}?|pythonw?[\d.]*|py)", first) and rest[:1] == ["-m"]:
            words = rest[1:]
        else:
            yield [first, *rest]
            return


def _after_options(words: list[str]) -> list[str]:
    """Without leading options of a runner; `-m` of `coverage run` starts a module."""
    while words and words[0].startswith("-"):
        takes = words[0] in ("--with", "--extra", "--group", "--python", "--project")
        words = words[2:] if takes else words[1:]
    return words


def recipes(makefile: str, file: str) -> dict[str, tuple[list[str], list[Command]]]:
    """What each target of a Makefile needs and runs.

    >>> found = recipes("test: lint\\n\\t@pytest -q\\n", "Makefile")
    >>> found["test"][0], found["test"][1][0].program
    (['lint'], 'pytest')
    """
    found: dict[str, tuple[list[str], list[Command]]] = {}
    targets: list[str] = []
    for place, text in enumerate(makefile.split("\n")[:_MAX_LINES], start=1):
        if text.startswith("\t"):
            for target in targets:
                found[target][1].extend(commands_of(text.strip().lstrip("@-"), file, place))
        elif len(text) < _MAX_CHARS and (
            rule := re.match(r"^([\w./ -]+?)\s*::?(?!=)\s*([^=#]*)(?:#.*)?$", text)
        ):
            targets = rule.group(1).split()
            for target in targets:
                found.setdefault(target, ([], []))[0].extend(rule.group(2).split())
        elif text.strip() and not text.startswith("#"):
            targets = []
    return found
