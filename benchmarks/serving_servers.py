"""Our server and its peers, each in processes of its own, which stand still while another one is measured.

LitServe and BentoML live in an environment of their own, whose path is in PEERS_ENVIRONMENT:

    python -m venv peers && peers/bin/pip install -r benchmarks/peers/requirements.txt
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.serving_models import bundle_of, samples_of
from holdfast.core.cores import cores
from holdfast.serve.keys import new_key, write_keys

_HERE = Path(__file__).parent
PEERS = Path(os.environ.get("PEERS_ENVIRONMENT", "artifacts/peers-venv")).absolute()
ON: dict[str, Any] = {
    "metrics": True,
    "log": True,
    "limits": {"rate": 1e6, "concurrency": 10_000},
    "promise_s": 60.0,
}
"""Beside a key and a journal, which `ours` makes."""
OFF: dict[str, Any] = {"metrics": False, "log": False, "promise_s": 60.0}


@dataclass(frozen=True)
class Server:
    """One that answers, with all its processes."""

    name: str
    url: str
    process: psutil.Process
    start_s: float
    """From the start of the process to the first answer."""
    key: str = ""
    """Without which it answers nothing."""

    def tree(self) -> list[psutil.Process]:
        """Its processes, those that are gone left out."""
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """User and system seconds of all processes up to now."""
        return sum(sum(each.cpu_times()[:2]) for each in self.tree())

    def memory_mb(self) -> float:
        """What its processes hold each for itself, and the most that one shares; RSS of a single one."""
        found = [each.memory_full_info() for each in self.tree()]
        return (sum(it.uss for it in found) + max(it.rss - it.uss for it in found)) / 2**20

    def pause(self) -> None:
        """Stand still."""
        for each in self.tree():
            each.suspend()

    def go_on(self) -> None:
        """Run again."""
        for each in reversed(self.tree()):
            each.resume()


def has_peers() -> bool:
    """Whether the environment of the peers is there; says so if not."""
    if (PEERS / "bin" / "python").exists():
        return True
    print(f"skipped: no LitServe and BentoML in PEERS_ENVIRONMENT={PEERS}", file=sys.stderr)
    return False


@contextmanager
def ours(model: str, settings: Mapping[str, Any] = ON, *, measured: bool = True) -> Iterator[Server]:
    """Our server, as `settings` say; unless they are OFF, with a key and a journal too.

    Args:
        measured: wait until it knows its batching curve, which it measures when it first serves a bundle.
    """
    with tempfile.TemporaryDirectory() as folder:
        key, told = "", dict(settings)
        if settings is not OFF:
            key, kept = new_key("bench")
            write_keys(Path(folder) / "keys.json", [kept])
            told = {"keys": f"{folder}/keys.json", "journal": {"where": f"{folder}/journal"}, **told}
        bundle = bundle_of(model)
        command = [sys.executable, "-m", "benchmarks.serving_server", str(bundle), json.dumps(told)]
        with _running("holdfast", command, {}, model, key) as server:
            while measured and not (bundle / ".curves.json").exists():
                time.sleep(0.1)
            yield server


@contextmanager
def torch_server(model: str) -> Iterator[Server]:
    """FastAPI with eager torch in an async handler."""
    command = [sys.executable, "-m", "benchmarks.peers.torch_app"]
    with _running("fastapi + torch", command, {"MODEL": model}, model) as server:
        yield server


@contextmanager
def peer(name: str, model: str, *, preparation: str = "pillow", batch: int = 1) -> Iterator[Server]:
    """`litserve` or `bentoml`, a worker for each core.

    Args:
        preparation: `pillow`, or `ours` for our own code.
        batch: most pictures in a run, for LitServe.
    """
    python = str(PEERS / "bin" / "python")
    if name == "litserve":
        command = [python, str(_HERE / "peers" / "litserve_app.py")]
    else:
        command = [python, "-m", "bentoml", "serve", "bentoml_app:Api", "--host", "127.0.0.1"]
    env = {"PREPARATION": preparation, "BATCH": str(batch), "PYTHONPATH": _source()}
    with _running(name, command, env, model) as server:
        yield server


def _source() -> str:
    """Where our package is, for the peers that use our preprocessing."""
    import holdfast

    assert holdfast.__file__
    return str(Path(holdfast.__file__).parents[1])


@contextmanager
def _running(
    name: str, command: Sequence[str], env: Mapping[str, str], model: str, key: str = ""
) -> Iterator[Server]:
    port = _free_port()
    size = {"small": 64}.get(model, 224)
    told = {
        "BUNDLE": str(bundle_of(model)),
        "SIZE": str(size),
        "CORES": str(cores()),
        "PORT": str(port),
        "BENTOML_DO_NOT_TRACK": "True",
        **env,
    }
    more = ["--port", str(port)] if name == "bentoml" else []
    folder = _HERE / "peers" if name == "bentoml" else None
    body = next(iter(sorted(samples_of(model).iterdir()))).read_bytes()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or what runs, or stands still, would stay
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, *more],
        env={**os.environ, **told, "PYTHONDONTWRITEBYTECODE": ""},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/predict"
    known = psutil.Process(process.pid)
    server: Server | None = None
    try:
        _wait_for_answer(url, body, process, name, key)
        server = Server(name, url, known, time.perf_counter() - began, key)
        yield server
    finally:
        _end(server or Server(name, url, known, 0.0), process)


def _wait_for_answer(url: str, body: bytes, process: "subprocess.Popen[bytes]", name: str, key: str) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    end = time.perf_counter() + 90
    while time.perf_counter() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}")
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
            known = {"Authorization": f"Bearer {key}"} if key else {}
            connection.request("POST", parts.path, body, {"Content-Type": _type(body), **known})
            if connection.getresponse().status == 200:
                return
        time.sleep(0.01)
    raise RuntimeError(f"{name} does not answer")


def _type(body: bytes) -> str:
    return "image/jpeg" if body.startswith(b"\xff\xd8") else "application/octet-stream"


def _end(server: Server, process: "subprocess.Popen[bytes]") -> None:
    tree = server.tree()
    with suppress(psutil.NoSuchProcess):
        server.go_on()
    process.terminate()
    _, left = psutil.wait_procs(tree, timeout=10)
    for each in left:
        each.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
