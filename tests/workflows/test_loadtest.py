"""What a load test asks, what it says, and what it refuses to load."""

import csv
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.core.errors import DataError, HoldfastError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import ingest, open_version
from holdfast.modality import probe
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.bundles import toy_bundle
from holdfast.testing.toys import write_texts
from holdfast.workflows import load_samples, loadtest
from holdfast.workflows.load_curve import Step, knee, step_of
from tests.journey import answer, holdfast


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """With a dataset `sea` of texts."""
    folder = tmp_path_factory.mktemp("load")
    table = write_texts(folder / "sea.csv", per_class=20)
    ingest(table, folder / "home" / "datasets", "sea", probe=probe)
    return Workspace(folder / "home")


@contextmanager
def texts(folder: Path) -> Iterator[str]:
    config = ServeConfig(port=0, threads=1)
    engine = Engine(open_bundle(toy_bundle(folder, modality="text")), threads=1)
    with running(create_app(engine, config, ref="toy@1"), config) as url:
        yield url
    engine.close()


@contextmanager
def stranger(
    answers: Mapping[str, tuple[int, bytes]],
) -> Iterator[tuple[str, list[http.server.BaseHTTPRequestHandler]]]:
    """A server that is not Holdfast's, with what it was asked."""
    asked: list[http.server.BaseHTTPRequestHandler] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self)
            status, body = answers.get(self.path, (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_a_real_server_is_loaded_with_held_out_samples_and_everything_is_written(
    workspace: Workspace, tmp_path: Path
) -> None:
    with texts(tmp_path / "bundle") as url:
        out = tmp_path / "out"
        result = answer(
            "loadtest", url, "--dataset", "sea", "--seconds", "2", "--out", str(out), home=workspace.home
        )

    users = [step["users"] for step in result["steps"] if step["users"]]
    rates = [step["rate"] for step in result["steps"] if step["rate"]]
    assert users[:2] == [1, 2]
    assert rates == sorted(rates)
    assert len(rates) >= 6
    assert result["saturation"]["throughput"] == max(step["throughput"] for step in result["steps"]) > 20
    assert all(step["errors"] == {} for step in result["steps"] if step["users"])
    assert 0 < result["steps"][0]["p50_ms"] <= result["steps"][0]["p99_ms"]
    assert result["notes"] == [] or "one small" not in result["notes"][0]

    assert json.loads((out / "loadtest.json").read_text())["steps"] == result["steps"]
    rows = list(csv.DictReader((out / "loadtest.csv").open()))
    assert [float(row["throughput"]) for row in rows] == [step["throughput"] for step in result["steps"]]
    page = (out / "loadtest.html").read_text()
    assert page.count("<svg") == 2
    assert "toy@1 under load" in page
    with open_version(workspace.datasets, parse_ref("sea")) as version:
        held_out = {version.read(int(row)) for row in version.indices("test")}
    sent = {path.read_bytes() for path in (out / "samples").glob("*.txt")}
    assert sent == held_out


def test_of_several_models_one_is_loaded_with_samples_that_it_takes(
    workspace: Workspace, tmp_path: Path
) -> None:
    answers = {
        "/info": (200, b'{"modality": "image"}'),
        "/models/sea%402/info": (200, b'{"modality": "text", "model": "sea@2"}'),
        "/models/sea%402/predict": (200, b"{}"),
        "/models/ships/info": (404, b'{"error": "no model \'ships\' here", "hint": "there is sea@2"}'),
    }
    args = ("--dataset", "sea", "--seconds", "1", "--rate", "20")
    with stranger(answers) as (url, asked):
        result = answer("loadtest", url, "--model", "sea@2", *args, home=workspace.home)
        sent = [it.body for it in asked if it.path == "/models/sea%402/predict"]
        missing = holdfast("loadtest", url, "--model", "ships", home=workspace.home, expect=1).stderr
        first = holdfast("loadtest", url, *args, home=workspace.home, expect=1).stderr

    with open_version(workspace.datasets, parse_ref("sea")) as version:
        assert set(sent) <= {version.read(int(row)) for row in version.indices("test")}
    assert result["model"] == "sea@2"
    assert result["steps"][0]["errors"] == {}
    assert result["steps"][0]["good"] > 0
    assert "answers 404: no model 'ships' here\nhint: there is sea@2" in missing
    assert "of modality text, but the model takes image" in first


def test_the_locustfile_that_is_written_runs_by_itself(workspace: Workspace, tmp_path: Path) -> None:
    with texts(tmp_path / "bundle") as url:
        loadtest.loadtest(url, workspace, rates=[20], seconds=1, out=tmp_path / "out")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "-f", tmp_path / "out" / "locustfile.py", "--host", url),
                *("--headless", "-u", "2", "-r", "2", "-t", "1", "--json"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    (seen,) = json.loads(done.stdout)
    assert (seen["name"], seen["num_failures"]) == ("/predict", 0)
    assert seen["num_requests"] > 0


def test_refusals_are_counted_by_status_and_the_key_is_sent(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(loadtest.KEY, "k-1")
    answers = {"/info": (200, b'{"modality": "image"}'), "/predict": (503, b"{}")}
    with stranger(answers) as (url, asked):
        result = loadtest.loadtest(url, workspace, rates=[30], seconds=1)

    (step,) = result["steps"]
    assert step["errors"] == {"503": step["requests"]}
    assert step["good"] == 0
    assert step["p95_ms"] is None
    assert result["knee"] is None
    assert {it.headers["Authorization"] for it in asked} == {"Bearer k-1"}
    assert "one small made example" in result["notes"][0]


def pretend(capacity: float, calm_ms: float) -> Any:
    """A server whose answers take longer as 1 / (1 - load), and which refuses what is too much."""
    loads = []

    def ask(load: Mapping[str, Any]) -> Step:
        loads.append(load)
        offered = load.get("rate") or min(load["users"] * capacity / 3, capacity)
        busy = min(offered / capacity, 0.999)
        count = round(offered * load["seconds"] * 100)
        good = round(min(offered, capacity) * load["seconds"] * 100)
        return step_of(
            load,
            {
                "ms": [calm_ms / (1 - busy) if load.get("rate") else calm_ms] * good + [0.1] * (count - good),
                "status": [200] * good + [503] * (count - good),
                "seconds": load["seconds"] * 100,
                "dropped": 0,
                "client_cpu": 0.1,
            },
        )

    ask.loads = loads  # type: ignore[attr-defined]
    return ask


def test_the_knee_is_where_answers_take_twice_as_long() -> None:
    ask = pretend(capacity=200, calm_ms=10)

    steps = loadtest._search(ask, 30)

    assert [step.users for step in steps if step.users] == [1, 2, 4, 8, 16]  # 8 and 16 gain nothing
    found = knee([step for step in steps if step.rate])
    assert found is not None
    # 10 % of the load takes 10 / 0.9 ms, and twice that is taken at 55 %; halving twice comes within 5 %
    assert 0.50 * 200 <= (found.rate or 0) <= 0.55 * 200
    assert sum(load["seconds"] for load in ask.loads) <= 30


def test_a_server_that_answers_nothing_well_has_no_knee() -> None:
    def ask(load: Mapping[str, Any]) -> Step:
        seen = {"ms": [1.0], "status": [500], "seconds": 1.0, "dropped": 0, "client_cpu": 0.0}
        return step_of(load, seen)

    with pytest.raises(HoldfastError, match="no request was answered well"):
        loadtest._search(ask, 30)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://h:99999", "http://127.0.0.1/a"]
)
def test_what_is_no_address_is_told(url: str, workspace: Workspace) -> None:
    with pytest.raises(HoldfastError, match="is no address of a server"):
        loadtest.loadtest(url, workspace)


def test_another_machine_is_loaded_only_on_demand(workspace: Workspace) -> None:
    refused = holdfast("loadtest", "http://192.0.2.1:8000", home=workspace.home, expect=1)

    assert "is another machine" in refused.stderr
    assert "--yes" in refused.stderr


def test_servers_of_others_and_missing_ones_are_told(workspace: Workspace) -> None:
    with stranger({}) as (url, _), pytest.raises(HoldfastError, match="/info answers 404"):
        loadtest.loadtest(url, workspace)
    with pytest.raises(HoldfastError, match="nobody answers"):
        loadtest.loadtest(url, workspace)
    for said in (b"hello", b"[]", b'{"modality": "smell"}'):
        with stranger({"/info": (200, said)}) as (url, _), pytest.raises(HoldfastError, match="is no server"):
            loadtest.loadtest(url, workspace)
    with stranger({"/info": (401, b"")}) as (url, _), pytest.raises(HoldfastError) as caught:
        loadtest.loadtest(url, workspace)
    assert loadtest.KEY in str(caught.value)


def test_samples_must_be_of_what_the_model_takes(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of modality text, but the model takes image"):
        load_samples.of_dataset("sea", workspace, "image")
    with pytest.raises(DataError, match="has no image files"):
        load_samples.of_folder(tmp_path, "image")


def test_of_many_files_the_same_are_drawn_each_time(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")

    first, again = (load_samples.of_folder(tmp_path, "text").bodies for _ in range(2))

    assert first == again
    assert len(set(first)) == 200


def test_without_locust_it_is_said_what_to_install(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadtest, "find_spec", lambda _: None)

    refused = holdfast("loadtest", "http://127.0.0.1:1", home=workspace.home, expect=1)

    assert "pip install 'holdfast[loadtest]'" in refused.stderr


def test_this_process_is_left_as_it_is() -> None:
    """Locust makes sockets and threads gevent's; no module of ours may load it."""
    code = "import sys, holdfast.workflows.loadtest, holdfast.cli.loadtest; print('gevent' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
    assert not re.search("locust|gevent", " ".join(sys.modules))
