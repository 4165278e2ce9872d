import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from filelock import FileLock

from holdfast.tracking import Run
from holdfast.tracking.exporters import Helpers, Settings, read_sent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real tracking server with a database of its own. Parallel first starts crash, so one at a time."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-W", "ignore", "-m", "flask", "--app", "mlflow.server:app", "run"]
    with (folder / "log").open("w") as log, FileLock(folder.parent.parent / "mlflow.lock"):
        process = subprocess.Popen(
            [*command, "--port", str(port)], env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process)
        except BaseException:
            process.kill()
            raise
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None:
        try:
            opener.open(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server ended before it answered")


def send(run: Run, uri: str, status: str | None = "finished") -> str:
    helpers = Helpers(run.folder, ["mlflow"], Settings("birds", uri=uri, wait_s=120))
    return (helpers.finish(status) if status else helpers.pause())["mlflow"]


def test_a_server_holds_settings_metrics_results_and_pictures(run: Run, server: str) -> None:
    from mlflow.tracking import MlflowClient

    said = send(run, server)

    client, sent = MlflowClient(server), read_sent(run.folder, "mlflow")
    assert said == f"sent to {sent.where}"
    assert sent.id is not None
    found = client.get_run(sent.id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == run.id
    assert found.data.params["optim.lr"] == "0.001"
    assert found.data.tags["holdfast.dataset"] == "birds@3"
    assert found.data.metrics["valid/accuracy"] == 0.75
    assert found.data.metrics["test/macro_f1"] == 0.9
    losses = client.get_metric_history(sent.id, "train/loss")
    assert [(point.step, point.value) for point in losses] == [(5, 0.7), (10, 0.5)]
    artifacts = {entry.path for entry in client.list_artifacts(sent.id, "test")}
    assert artifacts == {"test/confusion.png", "test/labels.csv", "test/samples.html"}
    page = open(client.download_artifacts(sent.id, "test/samples.html")).read()  # noqa: PTH123, SIM115
    assert "data:image/png;base64," in page
    assert "&lt;b&gt;gull&lt;/b&gt;" in page  # a text cannot be more than text


def test_a_run_that_is_taken_up_goes_on_in_the_same_run(run: Run, server: str) -> None:
    from mlflow.tracking import MlflowClient

    send(run, server, None)
    first = read_sent(run.folder, "mlflow").id
    run.log(15, loss=0.25)

    send(run, server)

    assert first is not None
    assert read_sent(run.folder, "mlflow").id == first
    steps = [point.step for point in MlflowClient(server).get_metric_history(first, "train/loss")]
    assert steps == [5, 10, 15]
