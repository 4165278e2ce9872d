"""Printing: data to stdout, as JSON for programs or as text for people; the rest to stderr."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What would move the cursor, colour the line or turn the reading order round."""
_CONTROL_IN_JSON = re.compile("[\x80-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def show(value: Any, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print a result at once, as JSON, or in the words that `text` finds for it."""
    if as_json:
        print(_json(value, indent=2), flush=True)
    else:
        print(text(harmless(value)), flush=True)


def show_line(value: Any) -> None:
    """Print one of many results at once, as a line of JSON."""
    print(_json(value), flush=True)


def harmless(value: Any) -> Any:
    r"""The same with control characters written as escapes: names and labels are anybody's, a terminal obeys.

    >>> print(harmless("\x1b[2J")), print(harmless({"a": ["one\ntwo"]})["a"][0])
    \x1b[2J
    one\ntwo
    (None, None)
    """
    if isinstance(value, str):
        return value if value.isprintable() else _CONTROL.sub(_escaped, value)
    if isinstance(value, Mapping):
        return {harmless(key): harmless(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(harmless(item) for item in value)
    return value


def _json(value: Any, *, indent: int | None = None) -> str:
    """JSON that a terminal can take too: what it does not escape by itself."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() else _CONTROL_IN_JSON.sub(lambda it: f"\\u{ord(it.group()):04x}", text)


def _escaped(found: re.Match[str]) -> str:
    return ascii(found.group())[1:-1]


def warner(as_json: bool) -> Callable[[str], None] | None:
    """Says a warning on stderr; None with `--json`, where the result holds it."""
    return None if as_json else lambda line: print(f"! {harmless(line)}", file=sys.stderr, flush=True)


def complain(message: str, hint: str | None = None, *, code: int = 1) -> NoReturn:
    """Say on stderr what is wrong, as JSON if `--json` was given, and end with an exit code."""
    if "--json" in sys.argv:
        print(_json({"error": message, "hint": hint}), file=sys.stderr)
    else:
        told = f"error: {message}" + (f"\nhint: {hint}" if hint else "")
        print("\n".join(map(harmless, told.split("\n"))), file=sys.stderr)
    sys.exit(code)


@contextmanager
def interruptible() -> Iterator[None]:
    """On Ctrl-C, says what the notes of `KeyboardInterrupt` say too: Typer would end without a word."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        complain("interrupted", " ".join(getattr(stopped, "__notes__", ())) or None, code=INTERRUPTED)


def give_up_stdout() -> str | None:
    """Why the standard output cannot be written, after which it takes nothing more; None if it can."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError):  # what it holds would be tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return os.strerror(error.errno or 0)
    return None


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str = "nothing yet") -> str:
    """Rows as aligned columns under their names.

    >>> print(table([{"name": "birds", "samples": 952}], ["name", "samples"]))
    name   samples
    birds      952
    """
    rows = list(rows)
    if not rows:
        return empty
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    right = [all(isinstance(row.get(column), int | float) for row in rows) for column in columns]
    lines = [list(columns), *cells]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def cell(value: Any) -> str:
    """One value, short: numbers with four significant digits, lists joined, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def interval(metric: Mapping[str, Any]) -> str:
    """A metric with its interval.

    >>> interval({"value": 0.9123, "low": 0.88, "high": 0.94})
    '0.912 (0.880 to 0.940)'
    """
    if metric.get("value") is None:
        return "not defined"
    if metric.get("low") is None:
        return f"{metric['value']:.3f}"
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"
