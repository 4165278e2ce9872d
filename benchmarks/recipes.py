"""The five systems' small recipes on real data, against their floors; `make recipes` writes docs/recipes.md.

Each system's rows are kept in docs/recipes.json, so that one system can be measured again with `--only`, or
with further seeds by `--add`, and the others stay. The splits do not depend on the seed.
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast import __version__
from holdfast.cli.show import table
from holdfast.core.cores import cores
from holdfast.core.files import read_json, write_json, write_text

SYSTEMS = {
    "brain_mri": "recipes_images:brain_mri_rows",
    "animals": "recipes_images:animals_rows",
    "birds": "recipes_birds:rows",
    "text": "recipes_text:rows",
    "faces": "recipes_faces:rows",
}
_TIME = "CPU-minutes of training"
_OWN = ("measure", "floor", "aim", "score", "scores", _TIME)
_COLUMNS = ("data, split: measure", "score", "range", "floor", "aim", "beside", "CPU-minutes")
_HEAD = """# The five systems, measured

What the recipes learn in `size=small`, from scratch, on real data, beside simple models on the same split.
Made by `make recipes`; do not edit. Splits are fixed; how settings were chosen stands in [the log](log.md).
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=SYSTEMS, action="append")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="such as 0 1 2")
    parser.add_argument("--add", action="store_true", help="keep the runs of other seeds in the table")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    options = parser.parse_args()
    kept = options.docs / "recipes.json"
    measured: dict[str, Any] = read_json(kept) if kept.exists() else {}
    for system in options.only or SYSTEMS:
        before = measured.get(system) if options.add else None
        if before and set(before["seeds"]) & set(options.seeds):
            parser.error(f"{system} was measured with seeds {before['seeds']}; --add takes others")
        with tempfile.TemporaryDirectory() as home:
            found = _rows(system)(options.data, Path(home), options.seeds)
        measured[system] = {"rows": found, "seeds": options.seeds, **_circumstances()}
        if before:
            measured[system] |= joined(before, measured[system])
        write_json(kept, measured)
        write_text(options.docs / "recipes.md", page(measured))
        print(table(lines(measured[system]["rows"]), _COLUMNS), flush=True)
    missed = [
        row["measure"] for one in measured.values() for row in one["rows"] if row["score"] < row["floor"]
    ]
    if missed:
        print(f"below the floor: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def joined(before: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """Rows and seeds of both: scores side by side, other numbers as means over all seeds.

    Of the time, the less of both: other work on the same cores only adds to it.
    """
    weights = len(before["seeds"]), len(added["seeds"])
    rows = []
    for old, new in zip(before["rows"], added["rows"], strict=True):
        if old["measure"] != new["measure"]:
            raise ValueError(f"{old['measure']!r} and {new['measure']!r} are two measures")
        row = {key: _joined(old[key], value, weights) for key, value in new.items()}
        rows.append(row | {_TIME: min(old[_TIME], new[_TIME])})
    return {"rows": rows, "seeds": before["seeds"] + added["seeds"]}


def _joined(old: Any, new: Any, weights: tuple[int, int]) -> Any:
    if isinstance(new, list):
        return old + new
    return new if old == new else (old * weights[0] + new * weights[1]) / sum(weights)


def _rows(system: str) -> Callable[[Path, Path, Sequence[int]], list[dict[str, Any]]]:
    module, _, name = SYSTEMS[system].partition(":")
    measuring: Callable[[Path, Path, Sequence[int]], list[dict[str, Any]]]
    measuring = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    return measuring


def page(measured: dict[str, Any]) -> str:
    """The docs page: a table, then under which circumstances each system was measured."""
    shown = [line for system in SYSTEMS if system in measured for line in lines(measured[system]["rows"])]
    body = ["| " + " | ".join(_COLUMNS) + " |", "| --- " * len(_COLUMNS) + "|"]
    body += ["| " + " | ".join(line[column] for column in _COLUMNS) + " |" for line in shown]
    notes = [
        f"- {system}: {one['date']}, Holdfast {one['holdfast']}, {one['cores']} cores, load {one['load']}, "
        f"seed{'s' * (len(one['seeds']) > 1)} {', '.join(map(str, one['seeds']))}"
        for system, one in ((system, measured[system]) for system in SYSTEMS if system in measured)
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
