"""The server as a process: it tells its address, and stops in good order."""

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from holdfast.config.schema import ServeConfig
from holdfast.core.errors import HoldfastError
from holdfast.serve import server
from holdfast.serve.app import create_app, run_server
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.bundles import toy_bundle, toy_item

SERVER = """
import sys, time
from pathlib import Path
from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.serve.app import create_app, run_server
from holdfast.serve.engine import Engine

engine = Engine(open_bundle(Path(sys.argv[1])), threads=1)
decode = engine.decode

def slow(data):
    print("decoding", flush=True)
    time.sleep(1)
    return decode(data)

engine.decode = slow
config = ServeConfig(port=0)
run_server(create_app(engine, config, ref="toys"), config, lambda url: print(url, flush=True))
print("ended well", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_finishes_what_runs(number: signal.Signals, tmp_path: Path) -> None:
    folder = toy_bundle(tmp_path / "bundle")
    command = [sys.executable, "-c", SERVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "decoding\n"  # of the warm-up
            url = process.stdout.readline().strip()
            answers: list[httpx.Response] = []
            files = {"file": toy_item("image")}
            asking = threading.Thread(
                target=lambda: answers.append(httpx.post(f"{url}/predict", files=files, timeout=30))
            )
            asking.start()
            assert process.stdout.readline() == "decoding\n"

            process.send_signal(number)
            if number == signal.SIGTERM:  # whoever sends requests here does not know it yet
                assert httpx.get(f"{url}/healthz").status_code == 200
                assert _ask_until(f"{url}/readyz", 503).json() == {"status": "stopping"}
                assert httpx.post(f"{url}/predict", files=files, timeout=30).status_code == 200
            asking.join(30)

            assert [it.status_code for it in answers] == [200]
            assert process.wait(30) == 0
            assert process.stdout.read().endswith("ended well\n")
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_it_is_not_ready_before_the_engine_has_answered(own_engine: Engine) -> None:
    gate, port = threading.Event(), _free_port()
    decode = own_engine.decode
    own_engine.decode = lambda data: (gate.wait(30), decode(data))[1]  # type: ignore[method-assign]
    app = create_app(own_engine, ServeConfig(), ref="toys")
    told: list[str] = []

    def start() -> None:
        with running(app, ServeConfig(port=port)) as url:
            told.append(url)

    thread = threading.Thread(target=start)
    thread.start()
    try:
        response = _ask_until_answered(f"http://127.0.0.1:{port}/readyz")
        alive = httpx.get(f"http://127.0.0.1:{port}/healthz")
        before = list(told)
    finally:
        gate.set()
        thread.join(30)

    assert (response.status_code, response.json()) == (503, {"status": "starting"})
    assert alive.status_code == 200
    assert before == []
    assert told == [f"http://127.0.0.1:{port}"]


def test_it_is_not_ready_any_more_once_it_stops(own_engine: Engine) -> None:
    app = create_app(own_engine, ServeConfig(), ref="toys")
    with running(app, ServeConfig(port=0)) as url:
        app.state.service.stop()

        response = httpx.get(f"{url}/readyz")

    assert (response.status_code, response.json()) == (503, {"status": "stopping"})


def test_requests_give_their_memory_back(own_engine: Engine) -> None:
    app = create_app(own_engine, ServeConfig(max_mb=0.1), ref="toys")
    with running(app, ServeConfig(port=0)) as url:
        for body in (toy_item("image"), b"bad", bytes(200_000)):
            httpx.post(f"{url}/predict", content=body, headers={"Content-Type": "image/png"})

        assert app.state.service.room.used == 0


def test_a_model_that_cannot_answer_stops_the_server(own_engine: Engine) -> None:
    def broken(_: object, **__: object) -> None:
        raise RuntimeError("no such kernel")

    own_engine.predict_parts = broken  # type: ignore[assignment, method-assign]
    app = create_app(own_engine, ServeConfig(), ref="toys")

    with pytest.raises(RuntimeError, match="no such kernel"), running(app, ServeConfig(port=0)):
        pass


def test_an_address_that_is_taken_is_an_error_that_says_what_to_do(own_engine: Engine) -> None:
    app = create_app(own_engine, ServeConfig(), ref="toys")
    with running(app, ServeConfig(port=0)) as url:
        port = int(url.rpartition(":")[2])

        with pytest.raises(HoldfastError, match=f"cannot listen on 127.0.0.1:{port}") as refused:
            run_server(app, ServeConfig(port=port))

    assert "serve.port=0" in str(refused.value)


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it each answer takes 40 ms."""
    with server._listen(ServeConfig(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def _ask_until_answered(url: str) -> httpx.Response:
    end = time.monotonic() + 20
    while True:
        try:
            return httpx.get(url)
        except httpx.ConnectError:
            assert time.monotonic() < end
            time.sleep(0.02)


def _ask_until(url: str, status: int) -> httpx.Response:
    end = time.monotonic() + 20
    while (response := httpx.get(url)).status_code != status:
        assert time.monotonic() < end
        time.sleep(0.02)
    return response


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
