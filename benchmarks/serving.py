"""Served pictures against raw onnxruntime: the same files, the same graph, the same cores.

    python -m benchmarks.serving

"Raw" is one thread per core that decodes a file and runs the graph on it, with nothing in between.
"Served" is a real server in a process of its own, asked over loopback by clients in this one, which keep
their connections and send forms of files. The sides take turns, and the best turn of each counts.

Clients and server share the cores, so a part of the time is the clients' own; and on a machine that others
use, the side with more processes gets more of the cores. The CPU time of the server has neither fault.
"""

import http.client
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

Row = tuple[str, float, float | None]
Ask = Callable[[int], None]

_TURNS = 3
_TURN_S = 2.0
_CLIENTS = 4
_FILES = 8
_PICTURES = 32
_LABELS = [f"label {number}" for number in range(10)]


def main() -> list[Row]:
    """Time and CPU time for a picture, served / raw: with one picture in a request, and with several."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = _bundle(Path(folder) / "bundle")
        pictures = [_picture(seed) for seed in range(_PICTURES)]
        raw = _raw(bundle, pictures)
        with _server(bundle) as (address, server):
            sides = {
                "raw": lambda: _cost([raw] * _cores(), psutil.Process(), 1),
                "1": lambda: _cost(_clients(address, pictures, 1), server, 1),
                str(_FILES): lambda: _cost(_clients(address, pictures, _FILES), server, _FILES),
            }
            turns = [{name: side() for name, side in sides.items()} for _ in range(_TURNS)]
    best = {name: np.min([turn[name] for turn in turns], axis=0) for name in sides}
    if __name__ == "__main__":
        for name, (wall, cpu) in best.items():
            print(f"{name:>3}: {1000 * wall:.2f} ms, {1000 * cpu:.2f} ms CPU a picture")
    rows: list[Row] = []
    for files, limit in (("1", 1.6), (str(_FILES), 1.2)):
        wall, cpu = best[files] / best["raw"]
        rows.append((f"time for a picture, served / raw onnxruntime, {files} in a request", wall, None))
        rows.append((f"CPU for a picture, served / raw onnxruntime, {files} in a request", cpu, limit))
    return rows


def serve(bundle: Path) -> None:
    """The server's process."""
    from holdfast.bundle import open_bundle
    from holdfast.config.schema import ServeConfig
    from holdfast.serve.app import create_app, run_server
    from holdfast.serve.engine import Engine

    config = ServeConfig(port=0)
    app = create_app(Engine(open_bundle(bundle), batch=config.batch), config, ref="bench")
    run_server(app, config, lambda url: print(url, flush=True))


def _cost(asks: Sequence[Ask], process: psutil.Process, pictures: int) -> tuple[float, float]:
    """Seconds for a picture while all ask at once, again and again; and the CPU seconds of a process."""
    end = time.perf_counter() + _TURN_S

    def again(ask: Ask) -> int:
        count = 0
        while time.perf_counter() < end:
            ask(count)
            count += 1
        return count

    began, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
    with ThreadPoolExecutor(len(asks)) as pool:
        done = sum(pool.map(again, asks)) * pictures
    return (time.perf_counter() - began) / done, (sum(process.cpu_times()[:2]) - cpu) / done


def _raw(bundle: Path, pictures: list[bytes]) -> Ask:
    import onnxruntime

    from holdfast.config.schema import ImagePrepare
    from holdfast.modality import prepare

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(bundle / "model.onnx", options, providers=["CPUExecutionProvider"])
    decode = prepare(ImagePrepare(size=64)).decode

    def ask(number: int) -> None:
        session.run(["probabilities"], {"input": decode(pictures[number % _PICTURES])})

    return ask


def _clients(address: tuple[str, int], pictures: list[bytes], files: int) -> list[Ask]:
    bodies = [_form(pictures[start : start + files]) for start in range(0, _PICTURES, files)]
    headers = {"Content-Type": "multipart/form-data; boundary=b"}

    def client() -> Ask:
        connection = http.client.HTTPConnection(*address, timeout=30)

        def ask(number: int) -> None:
            connection.request("POST", "/predict", bodies[number % len(bodies)], headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RuntimeError(f"the server answered {response.status}: {answer!r}")

        return ask

    return [client() for _ in range(_CLIENTS)]


def _form(pictures: Sequence[bytes]) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return b"".join(head + picture + b"\r\n" for picture in pictures) + b"--b--\r\n"


@contextmanager
def _server(bundle: Path) -> Iterator[tuple[tuple[str, int], psutil.Process]]:
    command = [sys.executable, "-m", "benchmarks.serving", str(bundle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            host, port = process.stdout.readline().strip().removeprefix("http://").split(":")
            yield (host, int(port)), psutil.Process(process.pid)
        finally:
            process.terminate()


def _bundle(folder: Path) -> Path:
    """A residual net over 64 × 64 pixels, of the size that the recipe for pictures trains."""
    from holdfast.bundle import Manifest, seal
    from holdfast.config.schema import ImagePrepare, ModelConfig
    from holdfast.export import export_onnx
    from holdfast.models import build

    prepare = ImagePrepare(size=64)
    folder.mkdir()
    model = build(ModelConfig(name="resnet_small", width=24, depth=3), prepare, len(_LABELS), None)
    example = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    export_onnx(model, folder / "model.onnx", example=example, task="single")
    seal(folder, Manifest(task="single", modality="image", labels=_LABELS, prepare=prepare))
    return folder


def _picture(seed: int) -> bytes:
    """A JPEG of 240 × 180 pixels, smooth as a photograph is."""
    from PIL import Image

    coarse = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((240, 180), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(Path(sys.argv[1]))
    else:
        for title, ratio, _ in main():
            print(f"{title}: {ratio:.2f}")
