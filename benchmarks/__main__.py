"""One table of ratios, all measured in this one run: `make bench`.

Ratios, because machines differ and are shared: each row compares two things that ran in turn.
"""

import importlib
import os

from holdfast.cli.show import table
from holdfast.core.cores import cores

_BENCHMARKS = (
    "help",
    "train_step",
    "exporters",
    "serving",
    "tensors",
    "optimize",
    "near",
    "loader",
    "data",
    "checklist",
)


def main() -> None:
    rows = []
    before = _load()
    for name in _BENCHMARKS:
        for title, ratio, limit in importlib.import_module(f"benchmarks.{name}").main():
            rows.append({"measured": title, "ratio": round(ratio, 3), "limit": limit})
    print(table(rows, ["measured", "ratio", "limit"]))
    print(
        f"\n{cores()} cores; load of the machine before {before} and after {_load()}, this run's own included"
    )


def _load() -> str:
    """Processes that wanted to run in the last minute; a table is worth as much as this is small."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


if __name__ == "__main__":
    main()
