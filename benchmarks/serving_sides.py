"""Measures servers and the raw graph in turns, and compares them turn by turn."""

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving_models import bundle_of, samples_of
from benchmarks.serving_servers import Server

Ask = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Turn:
    """What one side did in one turn."""

    rate: float
    """Good answers in a second."""
    p50_ms: float
    cpu_ms: float
    """Of the server alone, for each answer."""
    client_cpu_ms: float


class Sides:
    """What each side did in each turn."""

    def __init__(self) -> None:
        self.turns: dict[str, list[Turn]] = defaultdict(list)

    def ratio(self, one: str, other: str, part: str = "rate") -> float:
        """The median over the turns of one side's part over the other's in the same turn."""
        pairs = zip(self.turns[one], self.turns[other], strict=True)
        return statistics.median(getattr(a, part) / getattr(b, part) for a, b in pairs)

    def median(self, side: str, part: str = "rate") -> float:
        """Over the turns."""
        return statistics.median(getattr(turn, part) for turn in self.turns[side])

    def tell(self, title: str) -> None:
        """Say on stderr what was measured."""
        for side in self.turns:
            print(
                f"{title}, {side}: {self.median(side):.1f}/s, p50 {self.median(side, 'p50_ms'):.2f} ms, CPU "
                f"{self.median(side, 'cpu_ms'):.2f} ms + client {self.median(side, 'client_cpu_ms'):.2f} ms",
                file=sys.stderr,
                flush=True,
            )


def take_turns(runners: Mapping[str, Callable[[], Turn]], turns: int) -> Sides:
    """Let all run, one after the other, another one first in each turn."""
    sides, names = Sides(), list(runners)
    for turn in range(turns):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            sides.turns[name].append(runners[name]())
    return sides


@contextmanager
def raw(model: str) -> Iterator[Callable[[int, int, float], Turn]]:
    """Decoding and onnxruntime in threads; takes how many threads, cores for each, and seconds."""
    with obeying("benchmarks.serving_raw", str(bundle_of(model)), str(samples_of(model))) as ask:

        def run(threads: int, each: int, seconds: float) -> Turn:
            ask({"threads": threads, "each": each, "seconds": 0.2})
            seen = ask({"threads": threads, "each": each, "seconds": seconds})
            count = len(seen["ms"])
            cpu = 1000 * seen["cpu_s"] / count
            return Turn(count / seen["wall_s"], float(np.median(seen["ms"])), cpu, 0.0)

        yield run


def asked(server: Server, ask: Ask, **load: Any) -> dict[str, Any]:
    """What the client saw of a server that goes on for as long as it takes, and what the server's CPU did."""
    server.go_on()
    before = server.cpu_s()
    seen = ask({"url": server.url, "key": server.key, "type": _type(server, load), **load})
    seen["server_cpu_s"] = server.cpu_s() - before
    server.pause()
    return seen


def served(server: Server, ask: Ask, clients: int, seconds: float) -> Turn:
    """A turn of a server under clients that ask again and again; all must be answered well.

    Its CPU holds the warming up too, which is a tenth of the turn or less.
    """
    seen = asked(server, ask, clients=clients, seconds=seconds)
    status = seen["status"]["good"]
    if set(status) != {"200"}:
        raise RuntimeError(f"{server.name} answered {status}")
    count = len(seen["ms"])
    whole = 1 + 0.3 / seen["wall_s"]
    return Turn(
        count / seen["wall_s"],
        float(np.median(seen["ms"])),
        1000 * seen["server_cpu_s"] / whole / count,
        1000 * seen["cpu_s"] / count,
    )


@contextmanager
def obeying(module: str, *arguments: str) -> Iterator[Ask]:
    """A process that takes a line of JSON and answers with one."""
    command: Sequence[str] = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(what: Mapping[str, Any]) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(dict(what)) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{module} ended with {process.wait()}")
            return dict(json.loads(line))

        yield ask
        process.stdin.close()


def _type(server: Server, load: Mapping[str, Any]) -> str:
    """BentoML takes pictures by their Content-Type."""
    return str(load.get("type", "image/jpeg" if server.name == "bentoml" else "application/octet-stream"))
