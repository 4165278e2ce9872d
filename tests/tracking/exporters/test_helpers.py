import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.core.errors import ConfigError
from holdfast.tracking import Run
from holdfast.tracking.exporters import Helpers, Settings, check_tools, read_sent

SECRET = "hunter22"


def test_a_tool_that_is_not_installed_is_told_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.tracking.exporters.helpers.find_spec", lambda name: None)

    with pytest.raises(ConfigError, match="tensorboard and wandb cannot be used: not installed"):
        check_tools(["tensorboard", "wandb"], Settings("p"))


def test_mlflow_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    with pytest.raises(ConfigError, match="mlflow has no address"):
        check_tools(["mlflow"], Settings("p"))


def test_an_address_from_a_runs_files_lacks_its_password() -> None:
    with pytest.raises(ConfigError, match="where passwords are not kept"):
        check_tools(["mlflow"], Settings("p", uri="http://***@h:5000"))


def test_a_refused_connection_is_said_without_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://ann:{SECRET}@127.0.0.1:1"

    said = Helpers(run.folder, ["mlflow"], Settings("p", uri=uri, wait_s=60)).finish("finished")

    assert said["mlflow"].startswith("failed: MlflowException")
    assert SECRET not in said["mlflow"]
    assert not [
        path for path in run.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


def test_a_server_that_never_answers_is_given_up(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        helpers = Helpers(run.folder, ["mlflow"], Settings("p", uri=uri, wait_s=0.5))
        connection, _ = silent.accept()  # the request is there

        said = helpers.finish("finished")

        connection.close()

    assert said == {"mlflow": "failed: not done 0.5 s after the end of the run"}
    assert read_sent(run.folder, "mlflow").failed


def test_one_tool_that_fails_leaves_the_others_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.folder / "tensorboard").write_text("in the way")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    said = Helpers(run.folder, ["tensorboard"], Settings("p", wait_s=60)).finish("finished")

    assert said["tensorboard"].startswith("failed: ")
    assert read_sent(run.folder, "mlflow").failed is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_training_leaves_no_process_behind_and_its_lines_are_sent(run: Run) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from holdfast.tracking.exporters import Helpers, Settings\n"
        "helpers = Helpers(Path(sys.argv[1]), ['tensorboard'], Settings('p'))\n"
        "print(helpers._running['tensorboard'].pid, flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(run.folder)], stdout=subprocess.PIPE) as training:
        assert training.stdout is not None
        helper = int(training.stdout.readline())
        training.send_signal(signal.SIGKILL)
    while alive(helper):
        time.sleep(0.05)

    sent = json.loads((run.folder / "exporters" / "tensorboard.json").read_text())
    assert (sent["rows"], sent["ended"], sent["failed"]) == (3, False, None)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
