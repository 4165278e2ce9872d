"""Ten minutes at twice the load that saturates our server: the accepted in time, all others refused quickly.

    python -m benchmarks.serving_soak [--minutes 10] [--model small]

It must hold: the 99th percentile of good answers is at most three times that at half the load; all others are
refused with 503, quickly; memory is flat; and the journal has a record of every answer.

How long an answer takes when there is too much to do is what `serve.promise_s` says, so it is set to twice
what 99 of 100 answers keep to at half the load, measured first.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving_models import samples_of
from benchmarks.serving_servers import ON, Server, ours
from benchmarks.serving_sides import Ask, asked, obeying

Row = tuple[str, float, float | None]

_PROMISED = 2.0
"""Times the 99th percentile at half the load."""


def main(minutes: float = 10.0, model: str = "small", step_s: float = 15.0) -> list[Row]:
    """Each row with what it must be at most, or at least where it says so."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ask = stack.enter_context(obeying("benchmarks.serving_client", str(samples_of(model))))
        capacity, calm = _calm(ask, model, step_s)
        promise_s = round(_PROMISED * calm / 1000, 3)
        print(
            f"capacity {capacity:.0f}/s; 99 of 100 within {calm:.1f} ms at half of it; promise {promise_s} s",
            file=sys.stderr,
        )
        settings = {**ON, "promise_s": promise_s, "journal": {"where": folder}}
        server = stack.enter_context(ours(model, settings))
        steps, memory = _soak(server, ask, 2 * capacity, minutes, step_s)
        good = 1 + sum(len(seen["ms"]) + seen["warm"] for seen in steps)  # 1: it had started
        stack.close()  # the journal is written out
        kept = sum(_records(path) for path in Path(folder).rglob("*.jsonl"))
    status: dict[str, int] = {}
    for step in steps:
        for code, count in step["status"]["good"].items():
            status[code] = status.get(code, 0) + count
    print(f"at twice the capacity: {status}", file=sys.stderr)
    late = _p99([ms for step in steps for ms in step["ms"]])
    refused = _p99([ms for step in steps for ms in step["refused_ms"]])
    in_time = sum(len(step["ms"]) for step in steps) / (len(steps) * step_s) / capacity
    others = 1 - (status.get("200", 0) + status.get("503", 0)) / sum(status.values())
    quarter = max(1, len(memory) // 4)
    grown = statistics.median(memory[-quarter:]) / statistics.median(memory[:quarter])
    return [
        (f"{model}: p99 of good answers at 2 × saturation / at half of it (at most)", late / calm, 3.0),
        (f"{model}: p99 of refusals, ms", refused, None),
        (f"{model}: good answers / capacity (at least)", in_time, 0.9),
        (f"{model}: requests neither answered nor refused with 503", others, 0.0),
        (f"{model}: memory in the last quarter / in the first (at most)", grown, 1.05),
        (f"{model}: good answers without a record in the journal, of {good}", max(0, good - kept), 0.0),
    ]


def _calm(ask: Ask, model: str, step_s: float) -> tuple[float, float]:
    """Answers in a second with eight clients, and the 99th percentile of ms at half of that."""
    with ours(model) as server:
        full = asked(server, ask, clients=8, seconds=step_s)
        capacity = len(full["ms"]) / full["wall_s"]
        return capacity, _p99(asked(server, ask, rate=capacity / 2, seconds=step_s)["ms"])


def _soak(
    server: Server, ask: Ask, rate: float, minutes: float, step_s: float
) -> tuple[list[dict[str, Any]], list[float]]:
    """Step after step without a pause, and the memory after each."""
    steps, memory = [], []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        steps.append(asked(server, ask, rate=rate, seconds=step_s))
        memory.append(server.memory_mb())
        print(
            f"{len(steps)}: {memory[-1]:.1f} MB, {steps[-1]['status']['good']}", file=sys.stderr, flush=True
        )
    return steps, memory


def _p99(ms: list[float]) -> float:
    return float(np.percentile(ms, 99)) if ms else 0.0


def _records(path: Path) -> int:
    """Lines of a segment that are records of predictions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return sum("probabilities" in json.loads(line) for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--model", default="small")
    parser.add_argument("--step_s", type=float, default=15.0)
    for title, value, limit in main(**vars(parser.parse_args())):
        print(f"{value:9.3f}  {'' if limit is None else limit:6}  {title}")
