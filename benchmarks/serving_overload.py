"""Our server when it is asked too much, and when what it is asked is broken.

python -m benchmarks.serving_overload
"""

import sys
from contextlib import ExitStack
from typing import Any

from benchmarks.serving_models import samples_of, with_corrupt
from benchmarks.serving_servers import ON, Server, has_peers, ours, peer
from benchmarks.serving_sides import Ask, asked, obeying

Row = tuple[str, float, float | None]

PROMISE_MS = 500.0
_TIMES = 1.5
_BROKEN = 0.3
_MODEL = "resnet50-int8"


def main(seconds: float = 3.0) -> list[Row]:
    """Good answers under too much load, and good requests beside broken ones."""
    return [*overload(2 * seconds), *beside_broken(seconds)]


def overload(seconds: float) -> list[Row]:
    """Answers within the promise at 1.5 times the capacity, as a share of the capacity."""
    rows: list[Row] = []
    with ExitStack() as stack:
        ask = stack.enter_context(obeying("benchmarks.serving_client", str(samples_of(_MODEL))))
        for server, limit in _servers(stack, _MODEL):
            share, seen = _kept(server, ask, seconds)
            print(f"{server.name} at {_TIMES} × its capacity: {seen['status']['good']}", file=sys.stderr)
            title = f"{_MODEL}, {server.name}: answers in {PROMISE_MS:.0f} ms at {_TIMES} × load / capacity"
            rows.append((title, share, limit))
    return rows


def _kept(server: Server, ask: Ask, seconds: float) -> tuple[float, dict[str, Any]]:
    """The share, between two measurements of the capacity; and what was seen."""
    first = _capacity(server, ask, seconds / 2)
    seen = asked(server, ask, rate=_TIMES * first, seconds=seconds)
    capacity = (first + _capacity(server, ask, seconds / 2)) / 2
    in_time = sum(ms <= PROMISE_MS for ms in seen["ms"]) / seconds
    return in_time / capacity, seen


def _capacity(server: Server, ask: Ask, seconds: float) -> float:
    seen = asked(server, ask, clients=8, seconds=seconds)
    return float(len(seen["ms"]) / seen["wall_s"])


def beside_broken(seconds: float) -> list[Row]:
    """Of the good requests, those that were answered while three of ten were broken."""
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = with_corrupt("small", _BROKEN)
        ask = stack.enter_context(obeying("benchmarks.serving_client", str(folder)))
        for server, limit in _servers(stack, "small"):
            status = asked(server, ask, clients=8, seconds=seconds)["status"]
            print(f"{server.name} beside {_BROKEN:.0%} broken: {status}", file=sys.stderr)
            good = status["good"].get("200", 0) / sum(status["good"].values())
            told = sum(count for code, count in status["bad"].items() if 400 <= int(code) < 500)
            title = f"small, {server.name}, {_BROKEN:.0%} of the requests broken"
            rows.append((f"{title}: good ones answered", good, limit))
            rows.append((f"{title}: broken ones told so (4xx)", told / sum(status["bad"].values()), limit))
    return rows


def _servers(stack: ExitStack, model: str) -> list[tuple[Server, float | None]]:
    """Ours with its limit; the peers for comparison."""
    limit = 1.0 if model == "small" else 0.9
    settings = ON if model == "small" else {**ON, "promise_s": PROMISE_MS / 1000}
    found: list[tuple[Server, float | None]] = [(stack.enter_context(ours(model, settings)), limit)]
    if has_peers():
        found += [
            (stack.enter_context(peer("litserve", model)), None),
            (stack.enter_context(peer("litserve", model, batch=8)), None),
            (stack.enter_context(peer("bentoml", model)), None),
        ]
    for server, _ in found:
        server.pause()
    return found


if __name__ == "__main__":
    for title, value, limit in main():
        print(f"{title}: {value:.3f} (limit {limit})")
