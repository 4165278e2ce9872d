"""What the journal of predictions costs: the CPU time of a server for a picture, with it and without.

    python -m benchmarks.journal

A small convolution net, so that everything else weighs the most. Servers with and without a journal take
turns; clients and servers share the cores, so it is the servers' own CPU time that is compared.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.serving import _PICTURES, Row, _bundle, _clients, _cost, _picture

_TURNS = 5
_SIDES = {"without": None, "records": 0.0, "records, a tenth of the inputs": 0.1, "records, all inputs": 1.0}


def main() -> list[Row]:
    """CPU time of the server for a picture, with / without."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        bundle = _bundle(folder / "bundle")
        pictures = [_picture(seed) for seed in range(_PICTURES)]
        servers = {side: stack.enter_context(_server(bundle, folder / side, side)) for side in _SIDES}
        costs: dict[str, list[tuple[float, float]]] = {side: [] for side in _SIDES}
        for _ in range(_TURNS):
            for side, (address, process) in servers.items():
                costs[side].append(_cost(_clients(address, pictures, 1), process, 1))
    best = {side: np.median(found, axis=0) for side, found in costs.items()}
    if __name__ == "__main__":
        for side, (wall, cpu) in best.items():
            print(f"{side:>31}: {1000 * wall:.3f} ms, {1000 * cpu:.3f} ms CPU a picture")
    plain = best["without"][1]
    limits = {"records": 1.05}
    return [
        (
            f"CPU of the server for a picture, journal of {side} / none",
            float(best[side][1] / plain),
            limits.get(side),
        )
        for side in _SIDES
        if side != "without"
    ]


def serve(bundle: Path, where: Path, side: str) -> None:
    """A server's process."""
    from holdfast.bundle import open_bundle
    from holdfast.config.schema import ServeConfig
    from holdfast.config.serve import JournalConfig
    from holdfast.serve.app import create_app, run_server
    from holdfast.serve.engine import Engine

    inputs = _SIDES[side]
    journal = JournalConfig() if inputs is None else JournalConfig(where=str(where), inputs=inputs)
    config = ServeConfig(port=0, journal=journal)
    app = create_app(Engine(open_bundle(bundle), batch=config.batch), config, ref="bench")
    run_server(app, config, lambda url: print(url, flush=True))


@contextmanager
def _server(bundle: Path, where: Path, side: str) -> Iterator[tuple[tuple[str, int], psutil.Process]]:
    command = [sys.executable, "-m", "benchmarks.journal", str(bundle), str(where), side]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            host, port = process.stdout.readline().strip().removeprefix("http://").split(":")
            yield (host, int(port)), psutil.Process(process.pid)
        finally:
            process.terminate()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    else:
        for row in main():
            print(row)
