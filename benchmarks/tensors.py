"""One picture's tensor as bytes against the same in JSON: what the server spends on reading it.

    python -m benchmarks.tensors

224 × 224 pixels of uint8, and five seconds of sound at 16 kHz in float32. "read" is the reading of a whole
request, checks and all; "parse" is `json.loads` alone, which no server that takes JSON can be without.
"""

import json
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from holdfast.modality.audio import AudioPreparation
from holdfast.modality.image import ImagePreparation
from holdfast.serve.oip_request import LENGTH, read_infer
from holdfast.serve.tensors import NAMES

Row = tuple[str, float, float | None]
_ROUNDS = 30


def main() -> list[Row]:
    """Time to read a picture's tensor, bytes / JSON."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    sound = rng.uniform(-1, 1, (1, 80_000)).astype(np.float32)
    rows: list[Row] = []
    for name, samples, preparation in (
        ("picture", picture, ImagePreparation(224, "squash", 50_000_000)),
        ("sound", sound, AudioPreparation(16_000, 5, 2.5, 60)),
    ):
        binary, length = _request(samples, binary=True)
        text, _ = _request(samples, binary=False)
        head = {LENGTH.lower(): str(length)}
        as_bytes = _best(partial(read_infer, binary, head, preparation, 1))
        as_json = _best(partial(read_infer, text, {}, preparation, 1))
        parse = _best(partial(json.loads, text))
        if __name__ == "__main__":
            print(
                f"{name}: {len(binary) / 1e3:,.0f} KB of bytes read in {as_bytes:.3f} ms; "
                f"{len(text) / 1e3:,.0f} KB of JSON in {as_json:.2f} ms, of which parse {parse:.2f} ms"
            )
        rows.append((f"reading a {name}'s tensor, bytes / JSON", as_bytes / as_json, 0.1))
    return rows


def _request(samples: np.ndarray, *, binary: bool) -> tuple[bytes, int]:
    tensor = {"name": "input", "datatype": NAMES[samples.dtype], "shape": list(samples.shape)}
    data = samples.tobytes() if binary else b""
    more = {"parameters": {"binary_data_size": len(data)}} if binary else {"data": samples.tolist()}
    head = json.dumps({"inputs": [{**tensor, **more}]}).encode()
    return head + data, len(head)


def _best(run: Callable[[], object]) -> float:
    """Milliseconds, the best of some."""
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


if __name__ == "__main__":
    main()
