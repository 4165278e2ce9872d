"""The five systems' small recipes on real data, against their floors; `make recipes` writes docs/recipes.md.

Each system's rows are measured by a module of its own and kept in docs/recipes.json, so that one system
can be measured again with `--only` and the others stay. The splits do not depend on the seed.
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast import __version__
from holdfast.cli.show import table
from holdfast.core.cores import cores
from holdfast.core.files import read_json, write_json, write_text

SYSTEMS = ("images", "birds", "text", "faces")
_OWN = ("measure", "floor", "aim", "score", "scores", "CPU-minutes of training")
_COLUMNS = ("data, split: measure", "score", "range", "floor", "aim", "beside", "CPU-minutes")
_HEAD = """# The five systems, measured

What the recipes learn in `size=small`, from scratch, on real data, beside simple models on the same split.
Made by `make recipes`; do not edit. Splits are fixed; how settings were chosen stands in [the log](log.md).
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=SYSTEMS, action="append")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    options = parser.parse_args()
    kept = options.docs / "recipes.json"
    measured: dict[str, Any] = read_json(kept) if kept.exists() else {}
    for system in options.only or SYSTEMS:
        with tempfile.TemporaryDirectory() as home:
            rows = importlib.import_module(f"benchmarks.recipes_{system}").rows(
                options.data, Path(home), range(options.seeds)
            )
        measured[system] = {"rows": rows, **_circumstances()}
        write_json(kept, measured)
        write_text(options.docs / "recipes.md", page(measured))
        print(table(lines(rows), _COLUMNS), flush=True)
    missed = [
        row["measure"] for one in measured.values() for row in one["rows"] if row["score"] < row["floor"]
    ]
    if missed:
        print(f"below the floor: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def page(measured: dict[str, Any]) -> str:
    """The docs page: a table, then under which circumstances each system was measured."""
    shown = [line for system in SYSTEMS if system in measured for line in lines(measured[system]["rows"])]
    body = ["| " + " | ".join(_COLUMNS) + " |", "| --- " * len(_COLUMNS) + "|"]
    body += ["| " + " | ".join(line[column] for column in _COLUMNS) + " |" for line in shown]
    notes = [
        f"- {system}: {one['date']}, Holdfast {one['holdfast']}, {one['cores']} cores, load {one['load']}"
        for system, one in measured.items()
    ]
    return "\n".join([_HEAD, *body, "", "Measured:", "", *notes, ""])


def lines(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Rows as text, in the columns of the table."""
    return [
        {
            "data, split: measure": row["measure"],
            "score": f"{row['score']:.3f}",
            "range": _range(row["scores"]),
            "floor": f"{row['floor']:.2f}",
            "aim": f"{row['aim']:.2f}",
            "beside": ", ".join(
                f"{name} {value:.3f}" for name, value in row.items() if name not in _OWN and value is not None
            ),
            "CPU-minutes": f"{row['CPU-minutes of training']:.1f}",
        }
        for row in rows
    ]


def _range(scores: Sequence[float]) -> str:
    return f"{min(scores):.3f} to {max(scores):.3f}, {len(scores)} runs" if len(scores) > 1 else "1 run"


def _circumstances() -> dict[str, Any]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "holdfast": __version__,
        "cores": cores(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


if __name__ == "__main__":
    sys.exit(main())
