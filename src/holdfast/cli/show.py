"""Printing: data to stdout, as JSON for programs or as text for people; the rest to stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn


def show(value: Any, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print a result at once, as JSON, or in the words that `text` finds for it."""
    if as_json:
        print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False), flush=True)
    else:
        print(text(value), flush=True)


def warner(as_json: bool) -> Callable[[str], None] | None:
    """Says a warning on stderr; None with `--json`, where the result holds it."""
    return None if as_json else lambda line: print(f"! {line}", file=sys.stderr, flush=True)


def complain(message: str, hint: str | None = None, *, code: int = 1) -> NoReturn:
    """Say on stderr what is wrong, as JSON if `--json` was given, and end with an exit code."""
    if "--json" in sys.argv:
        print(json.dumps({"error": message, "hint": hint}, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"error: {message}" + (f"\nhint: {hint}" if hint else ""), file=sys.stderr)
    sys.exit(code)


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
