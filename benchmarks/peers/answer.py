"""What each peer does with a picture: decode, run the graph in one thread, give label and probabilities.

It runs in the peers' environment. PREPARATION is `pillow`, which is what most people write (Pillow and
NumPy), or `ours`.
"""

import io
import os
from typing import Any

import numpy as np

BUNDLE, SIZE = os.environ["BUNDLE"], int(os.environ["SIZE"])
CORES, BATCH = int(os.environ["CORES"]), int(os.environ.get("BATCH", "1"))
PORT = int(os.environ["PORT"])


def decoder() -> Any:
    """From the bytes of a file to pixels, uint8, (size, size, 3)."""
    if os.environ["PREPARATION"] == "ours":
        from holdfast.modality.image import ImagePreparation

        preparation = ImagePreparation(SIZE, "squash", 50_000_000)
        return lambda data: preparation.decode(data)[0]
    from PIL import Image

    def decode(data: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    return decode


def session() -> Any:
    """The graph on one thread: there are as many workers as cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(f"{BUNDLE}/model.onnx", options, providers=["CPUExecutionProvider"])


def run(graph: Any, pixels: list[np.ndarray]) -> list[dict[str, Any]]:
    """An answer to each picture."""
    (rows,) = graph.run(["probabilities"], {"input": np.stack(pixels)})
    return [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in rows]
