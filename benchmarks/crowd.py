"""Many clients that do nothing, beside one that wants answers: how many it gets, how fast, at what memory.

    python -m benchmarks.crowd --connections 10000

Three crowds: silent, in the middle of a head, in the middle of a body. Each side is a process of its own;
the system must let both open so many files (`ulimit -n`).
"""

import argparse
import contextlib
import http.client
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n"
_CROWDS = {"silent": b"", "half a head": _HEAD, "half a body": _HEAD + b"\r\n\x89PNG"}
_ASKED = 50
_SERVER = """
import sys
from pathlib import Path
from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.serve.app import create_app, run_server
from holdfast.serve.engine import Engine

config = ServeConfig(port=0)
engine = Engine(open_bundle(Path(sys.argv[1])), threads=1)
run_server(create_app(engine, config, ref="toys"), config, lambda url: print(url, flush=True))
"""


def main() -> None:
    from holdfast.testing.bundles import toy_bundle, toy_item

    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=10_000)
    count = parser.parse_args().connections
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        bundle = toy_bundle(Path(folder) / "bundle")
        command = [sys.executable, "-c", _SERVER, str(bundle)]
        for name, sent in {"nobody": None, **_CROWDS}.items():
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
                try:
                    assert server.stdout
                    host, port = server.stdout.readline().strip().removeprefix("http://").split(":")
                    _measure(name, (host, int(port)), server.pid, sent, count, toy_item("image"))
                finally:
                    server.terminate()


def _measure(
    name: str, address: tuple[str, int], pid: int, sent: bytes | None, count: int, picture: bytes
) -> None:
    crowd = [] if sent is None else [_idle(address, sent) for _ in range(count)]
    time.sleep(1)
    taken, good = [], 0
    for _ in range(_ASKED):
        began = time.perf_counter()
        good += _ask(address, picture)
        taken.append(time.perf_counter() - began)
    memory = psutil.Process(pid).memory_info().rss / 1e6
    held = len(psutil.Process(pid).net_connections())
    print(
        f"{name:12} {len(crowd):6} connections, {held:6} held: {good} of {_ASKED} answered, "
        f"median {1000 * statistics.median(taken):.1f} ms, slowest {1000 * max(taken):.0f} ms, "
        f"{memory:.0f} MB",
        flush=True,
    )
    for connection in crowd:
        connection.close()


def _idle(address: tuple[str, int], sent: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=30)
    with contextlib.suppress(ConnectionError):
        connection.sendall(sent)
    return connection


def _ask(address: tuple[str, int], picture: bytes) -> int:
    connection: Any = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request("POST", "/predict", picture, {"Content-Type": "image/png"})
        return int(connection.getresponse().status == 200)
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    main()
