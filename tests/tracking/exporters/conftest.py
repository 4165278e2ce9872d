"""A run that has logged, ended and left results, as the exporters find it."""

import io
from pathlib import Path

import pytest
from PIL import Image

from holdfast.core.files import write_bytes, write_json
from holdfast.testing.bundles import toy_evaluation
from holdfast.tracking import Run, open_run

SETTINGS = {"optim": {"lr": 0.001}, "track": {"to": ["mlflow"]}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Ten steps and an epoch, with results and two sample predictions; still held."""
    details = {"config": SETTINGS, "dataset": "birds@3", "fingerprint": "9f86"}
    run = open_run(tmp_path / "runs", name="birds", key="k", details=details)
    run.log(5, loss=0.7, rate=0.001)
    run.log(10, loss=0.5, rate=0.0005)
    run.log(10, epoch=1, train_loss=0.6, loss=0.55, accuracy=0.75)
    write_json(run.folder / "bundle" / "evaluation.json", toy_evaluation())
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    write_bytes(run.folder / "sample_predictions" / "000.png", file.getvalue())
    row = {"name": "a.png", "true": "disc", "predicted": "square", "probability": 0.8, "text": None}
    write_json(
        run.folder / "sample_predictions" / "samples.json",
        [{**row, "picture": "000.png"}, {**row, "name": "b", "picture": None, "text": "<b>gull</b>"}],
    )
    return run
