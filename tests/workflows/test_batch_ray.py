"""Ray gives the very predictions that threads give."""

import builtins
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.core.errors import ConfigError
from holdfast.workflows.batch_ray import RayWorker
from tests.batches import parts, run


def test_a_process_of_ray_writes_the_bytes_that_threads_write(lab: Path, tmp_path: Path) -> None:
    shutil.copytree(lab / "preds/_plan", tmp_path / "out/_plan")
    worker = RayWorker(str(tmp_path / "out"), str(lab / "toy"))

    said = [worker({"part": np.array([part])}) for part in (2, 0, 1)]

    assert [it["rows"] for it in said] == [[13], [64], [64]]
    assert parts(tmp_path / "out") == parts(lab / "preds")


def test_a_process_of_ray_hands_back_what_a_person_can_mend(mine: Path) -> None:
    worker = RayWorker(str(mine / "preds"), str(mine / "toy"))
    shutil.move(mine / "shapes", mine / "elsewhere")
    (mine / "preds/part-00001.parquet").unlink()

    said = worker({"part": np.array([1])})

    assert "there is nothing at" in said["error"][0]
    assert said["hint"][0]


@pytest.mark.slow
def test_ray_writes_the_bytes_that_threads_write(lab: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'holdfast[ray]'")
    out = tmp_path / "out"
    command = ("predict", str(lab / "toy"), str(lab / "shapes"), "--out", str(out))

    alone = [sys.executable, "-m", "holdfast", *command, "--engine", "ray", "--workers", "2"]
    done = subprocess.run(
        alone, capture_output=True, text=True, check=True
    )  # pytest would hold warnings back

    assert "140 of 141" in done.stdout
    assert done.stderr == ""
    assert parts(out) == parts(lab / "preds")


def test_without_ray_it_is_said_what_to_install(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError) as caught:
        run(lab, tmp_path / "out", engine="ray")

    assert "pip install 'holdfast[ray]'" in str(caught.value.hint)
