"""What it costs to ask who asks: the same server open, with keys, with limits too, and with tokens.

    python -m benchmarks.protection

Each side is a process of its own over a tiny network, asked over loopback by clients in this one that keep
their connections; the sides take turns. The server's CPU time for a request is what others on the machine
change least.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

Row = tuple[str, float, float | None]

_CLIENTS = 4
_SERVER = """
import json, sys
from pathlib import Path
from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.serve.app import create_app, run_server
from holdfast.serve.engine import Engine

config = ServeConfig(port=0, **json.loads(sys.argv[2]))
engine = Engine(open_bundle(Path(sys.argv[1])), threads=1)
run_server(create_app(engine, config, ref="toys"), config, lambda url: print(url, flush=True))
"""


class Side:
    """One server, what its clients send, and what each turn gave."""

    def __init__(self, address: tuple[str, int], pid: int, credential: str | None) -> None:
        self.address, self.process = address, psutil.Process(pid)
        self.headers = {"Content-Type": "image/png"}
        if credential:
            self.headers["Authorization"] = f"Bearer {credential}"
        self.rates: list[float] = []
        self.cpu_ms: list[float] = []

    def turn(self, picture: bytes, seconds: float) -> None:
        counts = [0] * _CLIENTS
        ends = time.perf_counter() + seconds

        def ask(number: int) -> None:
            connection = http.client.HTTPConnection(*self.address)
            while time.perf_counter() < ends:
                connection.request("POST", "/predict", picture, self.headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
                counts[number] += 1
            connection.close()

        spent, began = sum(self.process.cpu_times()[:2]), time.perf_counter()
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.rates.append(sum(counts) / (time.perf_counter() - began))
        self.cpu_ms.append(1000 * (sum(self.process.cpu_times()[:2]) - spent) / sum(counts))


def main(turns: int = 5, seconds: float = 1.5) -> list[Row]:
    from holdfast.serve.keys import new_key, write_keys
    from holdfast.testing.bundles import toy_bundle, toy_item

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bundle = toy_bundle(Path(folder) / "bundle")
        made = [new_key(f"caller-{number}") for number in range(200)]
        write_keys(Path(folder) / "keys.json", [kept for _, kept in made])
        issuer, token = stack.enter_context(_issuer())
        keys: dict[str, Any] = {"keys": str(Path(folder) / "keys.json")}
        limits = {"limits": {"rate": 1e6, "burst": 10**6, "concurrency": 1000}}
        wanted: dict[str, tuple[dict[str, Any], str | None]] = {
            "open": ({}, None),
            "one of 200 keys": (keys, made[77][0]),
            "key and limits": ({**keys, **limits}, made[77][0]),
            "token": ({"oidc": {"issuer": issuer, "audience": "birds"}}, token),
        }
        sides = {
            name: stack.enter_context(_serving(bundle, settings, credential))
            for name, (settings, credential) in wanted.items()
        }
        picture = toy_item("image")
        for turn in range(turns + 1):
            for side in sides.values():
                side.turn(picture, seconds)
            if turn == 0:  # the first is for warming up
                for side in sides.values():
                    side.rates.clear()
                    side.cpu_ms.clear()
    rows: list[Row] = []
    for name, side in sides.items():
        rate, cpu = statistics.median(side.rates), statistics.median(side.cpu_ms)
        print(
            f"{name:16} {rate:7.0f} requests a second, {cpu:.3f} ms CPU of the server each", file=sys.stderr
        )
        if name != "open":
            usual = sides["open"]
            rows.append((f"requests a second, {name} / open", rate / statistics.median(usual.rates), None))
            rows.append((f"CPU of a request, {name} / open", cpu / statistics.median(usual.cpu_ms), 1.1))
    return rows


@contextmanager
def _serving(bundle: Path, settings: dict[str, Any], credential: str | None) -> Iterator[Side]:
    command = [sys.executable, "-c", _SERVER, str(bundle), json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            host, port = server.stdout.readline().strip().removeprefix("http://").split(":")
            yield Side((host, int(port)), server.pid, credential)
        finally:
            server.kill()


@contextmanager
def _issuer() -> Iterator[tuple[str, str]]:
    """The address of a provider of identities, and one of its tokens."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": "one"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            about = {"issuer": url, "jwks_uri": f"{url}/keys"}
            body = json.dumps({"keys": [jwk]} if self.path == "/keys" else about).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    claims = {"iss": url, "aud": "birds", "sub": "ann", "exp": time.time() + 3600}
    yield url, jwt.encode(claims, key, "RS256", {"kid": "one"})
    server.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    given = parser.parse_args()
    for title, ratio, limit in main(given.turns, given.seconds):
        print(f"{ratio:6.3f}  {'' if limit is None else f'at most {limit}':12}  {title}")
