"""The five systems on real data, each with one command, and whether all roads to a prediction agree.

`make systems` runs `holdfast up SOURCE recipe=… --no-serve --json` on each of the five sets in a clean
workspace, then asks `holdfast predict`, `POST /predict` and the evaluation about every held-out sample and
compares them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from holdfast.bundle import open_bundle
from holdfast.cli.show import interval, table
from holdfast.core.refs import parse_ref
from holdfast.data import Version, open_version
from holdfast.registry import Registry
from holdfast.serve.engine import Engine
from holdfast.workflows.scoring import score

SYSTEMS: dict[str, tuple[str, ...]] = {
    "brain_mri": ("recipe=brain_mri",),
    "animals": ("recipe=animals",),
    "birds": ("recipe=birds", "--group", "recording_id"),
    "ai_text/texts.csv": ("recipe=ai_text", "--group", "group"),
    "faces": ("recipe=faces", "--group", "person_id"),
}
_SUFFIX = {"image": ".jpg", "audio": ".wav", "text": ".txt"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("overrides", nargs="*", help="settings, such as train.epochs=2 for a quick look")
    parser.add_argument("--only", choices=SYSTEMS)
    parser.add_argument("--keep", type=Path, help="keep the workspaces in this folder")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for source, extra in SYSTEMS.items():
            if options.only not in (None, source):
                continue
            home = (options.keep or Path(folder)) / source.replace("/", "_")
            result = _json(["up", str(options.data / source), *extra, *options.overrides, "--no-serve"], home)
            rows.append(_row(source, result) | _agreement(result["model"], home))
            print(table(rows[-1:], list(rows[-1])), flush=True)
    print("\n" + table(rows, list(rows[0])))
    return 0 if all(row["equal"] == "100 %" for row in rows) else 1


def _row(source: str, result: dict[str, Any]) -> dict[str, Any]:
    name = result["headline"]
    beside = {which: interval(result["baselines"][which][name]) for which in ("majority", "simple")}
    return {
        "source": source,
        "seconds": round(result["seconds"]),
        "headline": name,
        "model": interval(result["metrics"][name]),
        **beside,
        "promoted": str(result["gate"]["promoted"]),
        "parity": f"{result['parity']['max_difference']:.1e}",
    }


def _agreement(model: str, home: Path) -> dict[str, Any]:
    """The largest difference between evaluation, command and server, over all held-out samples."""
    bundle = open_bundle(Registry(home / "models").path(parse_ref(model)))
    name = str(bundle.manifest.provenance["dataset"])
    with open_version(home / "datasets", parse_ref(name)) as version, tempfile.TemporaryDirectory() as folder:
        scored = score(Engine(bundle), version, version.indices("test"))
        files = _written(version, scored.indices, Path(folder))
        labels = bundle.manifest.labels
        evaluated = [
            {"labels": chosen, "probabilities": dict(zip(labels, row, strict=True))}
            for chosen, row in zip(
                Engine(bundle).labels_of(scored.probabilities), scored.probabilities.tolist(), strict=True
            )
        ]
        command = _json(["predict", model, folder], home)["predictions"]
        command = [{Path(item["name"]).name: item for item in command}[file.name] for file in files]
        with _server(model, home) as client:
            served = [_post(client, file) for file in files]
    equal = sum(
        a["labels"] == b["labels"] == c["labels"] for a, b, c in zip(evaluated, command, served, strict=True)
    )
    rows = [
        np.array([[item["probabilities"][label] for label in labels] for item in side])
        for side in (evaluated, command, served)
    ]
    difference = max(abs(rows[0] - rows[1]).max(), abs(rows[0] - rows[2]).max())
    share = "100 %" if equal == len(files) else f"{100 * equal / len(files):.2f} %"
    return {"held out": len(files), "equal": share, "difference": f"{difference:.1e}"}


def _written(version: Version, rows: np.ndarray, folder: Path) -> list[Path]:
    files = [folder / f"{int(row):06}{_SUFFIX[version.info.modality]}" for row in rows]
    for file, row in zip(files, rows, strict=True):
        file.write_bytes(version.read(int(row)))
    return files


@contextmanager
def _server(model: str, home: Path) -> Iterator[httpx.Client]:
    command = [
        sys.executable,
        "-m",
        "holdfast",
        "serve",
        model,
        "serve.port=0",
        "--json",
        "--home",
        str(home),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            text = ""
            while not text.endswith("}\n"):
                line = process.stdout.readline() if process.stdout else ""
                if not line:
                    sys.exit("the server ended before it answered")
                text += line
            with httpx.Client(base_url=json.loads(text)["url"], timeout=60) as client:
                yield client
        finally:
            process.terminate()


def _post(client: httpx.Client, file: Path) -> dict[str, Any]:
    response = client.post("/predict", files={"file": (file.name, file.read_bytes())})
    response.raise_for_status()
    return dict(response.json()["predictions"][0])


def _json(args: list[str], home: Path) -> Any:
    command = [sys.executable, "-m", "holdfast", *args, "--json", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
