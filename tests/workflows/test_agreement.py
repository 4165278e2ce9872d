"""The number that is reported is the number that is served, whichever way one asks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from holdfast.bundle import open_bundle
from holdfast.core.refs import parse_ref
from holdfast.data import open_version
from holdfast.registry import Registry
from holdfast.serve.engine import Engine
from holdfast.workflows.scoring import score
from tests.journey import SETTINGS, Road, answer

_SUFFIX = {"image": ".png", "audio": ".wav", "text": ".txt"}

# Runs the command line as if these packages were not installed.
_WITHOUT = """
import sys

BLOCKED = "torch transformers pyarrow onnx onnxscript safetensors sklearn scipy".split()

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from holdfast.cli import main
main()
"""


@contextmanager
def server(model: str, home: Path) -> Iterator[httpx.Client]:
    """`holdfast serve` in a process that can import only what the extra `serve` installs."""
    command = [sys.executable, "-c", _WITHOUT, "serve", model, "serve.port=0", "--json", "--home", str(home)]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=plain) as process:
        try:
            assert process.stdout is not None
            text = ""
            while not text.endswith("}\n"):
                line = process.stdout.readline()
                assert line, "the server ended before it answered"
                text += line
            with httpx.Client(base_url=json.loads(text)["url"], timeout=30) as client:
                yield client
        finally:
            process.terminate()


@pytest.mark.parametrize("name", SETTINGS)
def test_evaluation_command_and_server_agree_on_every_held_out_sample(
    road: Road, name: str, tmp_path: Path
) -> None:
    home, model = road.workspace.home, road.results[name]["model"]
    bundle = open_bundle(Registry(road.workspace.models).path(parse_ref(model)))
    with open_version(road.workspace.datasets, parse_ref(name)) as version:
        scored = score(Engine(bundle), version, version.indices("test"))
        files = [tmp_path / f"{row:04}{_SUFFIX[version.info.modality]}" for row in scored.indices]
        for file, row in zip(files, scored.indices, strict=True):
            file.write_bytes(version.read(int(row)))

    told = answer("predict", model, *map(str, files), home=home)["predictions"]
    with server(model, home) as client:
        served = [_post(client, file) for file in files]

    chosen = Engine(bundle).labels_of(scored.probabilities)
    assert [item["labels"] for item in told] == chosen
    assert [item["labels"] for item in served] == chosen
    for side in (told, served):
        rows = [[item["probabilities"][label] for label in bundle.manifest.labels] for item in side]
        assert np.abs(np.array(rows) - scored.probabilities).max() < 1e-5


def _post(client: httpx.Client, file: Path) -> dict[str, Any]:
    response = client.post("/predict", files={"file": (file.name, file.read_bytes())})
    assert response.status_code == 200, response.text
    item: dict[str, Any] = response.json()["predictions"][0]
    return item
