"""Graphs in eight bits against the same in float: time for one sample on one core.

    python -m benchmarks.optimize

The networks have weights by chance, so nothing is said of accuracy here; what eight bits lose is measured on
real data (docs/optimize.md). Each pair runs in turns, and time is that of the thread. Exporting the two large
networks takes a minute.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

Row = tuple[str, float, float | None]

_TURNS, _TURN_S = 9, 0.2
_WORDS, _VOCABULARY = 128, 30_522


def main() -> list[Row]:
    """Time of the optimised graph / of the original."""
    from holdfast.export import dynamic_int8, half_precision, static_int8

    def static(graph: Path, path: Path, batch: np.ndarray) -> None:
        static_int8(graph, path, [batch] * 4, between=True)

    def dynamic(graph: Path, path: Path, batch: np.ndarray) -> None:
        del batch
        dynamic_int8(graph, path)

    def half(graph: Path, path: Path, batch: np.ndarray) -> None:
        del batch
        half_precision(graph, path)

    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, make, ways in (
            ("small CNN", _small, {"static int8": (static, 0.65)}),
            ("ResNet-50", _resnet50, {"static int8": (static, 0.45), "fp16": (half, None)}),
            ("DistilBERT", _distilbert, {"dynamic int8": (dynamic, 0.45), "static int8": (static, None)}),
        ):
            graph, batch = folder / "graph.onnx", make(folder / "graph.onnx")
            for way, (write, limit) in ways.items():
                write(graph, folder / "made.onnx", batch)
                before, after = _times(graph, folder / "made.onnx", batch)
                size = (folder / "made.onnx").stat().st_size / graph.stat().st_size
                if __name__ == "__main__":
                    print(
                        f"{title}, {way}: {before:.2f} → {after:.2f} ms, {size:.2f} of the size", flush=True
                    )
                rows.append((f"time of {title}, {way} / float, one core", after / before, limit))
    return rows


def _small(path: Path) -> np.ndarray:
    from holdfast.config.schema import ImagePrepare, ModelConfig

    return _export(ModelConfig(name="resnet_small", width=32, depth=4), ImagePrepare(size=96), 22, path)


def _resnet50(path: Path) -> np.ndarray:
    from holdfast.config.schema import ImagePrepare, ModelConfig

    return _export(ModelConfig(name="hf", source="resnet", fresh=True), ImagePrepare(size=224), 1000, path)


def _distilbert(path: Path) -> np.ndarray:
    from holdfast.config.schema import ModelConfig, TextPrepare

    config = ModelConfig(name="hf", source="distilbert", fresh=True)
    return _export(config, TextPrepare(max_tokens=512), 2, path, vocab=_VOCABULARY)


def _export(config: Any, prepare: Any, labels: int, path: Path, vocab: int | None = None) -> np.ndarray:
    """Write a network with weights by chance as a graph, and give a batch of one sample."""
    import torch

    from holdfast.export import export_onnx
    from holdfast.models import build

    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    if vocab:
        batch = rng.integers(1, vocab, (1, _WORDS))
    else:
        batch = rng.integers(0, 255, (1, prepare.size, prepare.size, 3), dtype=np.uint8)
    model = build(config, prepare, labels, vocab).eval()
    export_onnx(model, path, example=np.repeat(batch, 2, axis=0), task="single")
    return batch


def _times(before: Path, after: Path, batch: np.ndarray) -> tuple[float, float]:
    """Milliseconds of each, in turns."""
    from holdfast.export import open_session

    sessions = [open_session(path) for path in (before, after)]
    turns = [[_turn(session, batch) for session in sessions] for _ in range(_TURNS + 1)]
    first, second = np.median(turns[1:], axis=0)
    return float(first), float(second)


def _turn(session: Any, batch: np.ndarray) -> float:
    began, count = time.thread_time(), 0
    while time.thread_time() - began < _TURN_S:
        session.run(None, {"input": batch})
        count += 1
    return 1000 * (time.thread_time() - began) / count


if __name__ == "__main__":
    main()
    print(f"load {os.getloadavg()[0]:.1f}")
