"""How much goes through the graph together: measured on this machine, and kept beside the bundle.

On a CPU, a batch of pictures is seldom faster than the same pictures one by one, and short texts are. Which,
depends on the graph and on the machine; so it is measured, once, in moments in which nothing is asked.
"""

import json
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.core.files import write_json

if TYPE_CHECKING:
    from holdfast.serve.engine import Engine

NAME = ".curves.json"
"""In the bundle's folder. Its name begins with a dot: it is no part of the bundle, and has no digest."""
_PAYS = 1.1
"""So many times as many rows a second, or it is not worth a longer wait for the first of them."""
_LENGTHS = (8, 32, 128)
_REPEATS = 3
_ENOUGH_S = 0.02


@dataclass(frozen=True)
class Curve:
    """What goes together.

    Attributes:
        most: rows, at least 1.
        tokens: rows times the tokens of the longest; None where all rows are of one size.
        wide: whether one row alone is faster on all cores than on one.

    >>> Curve(most=8, tokens=64).fits(4, 16), Curve(most=8, tokens=64).fits(5, 16), Curve().fits(2, 0)
    (True, False, False)
    """

    most: int = 1
    tokens: int | None = None
    wide: bool = True

    def fits(self, rows: int, longest: int) -> bool:
        """Whether so many rows go together, the longest of which has so many tokens."""
        return rows <= self.most and (self.tokens is None or rows * longest <= self.tokens)


def kept(engine: "Engine") -> Curve | None:
    """The curve of this machine that lies beside the engine's bundle; None if there is none to be read."""
    try:
        known = json.loads((engine.bundle.folder / NAME).read_text(encoding="utf-8"))[_machine(engine)]
        curve = Curve(int(known["most"]), known["tokens"] and int(known["tokens"]), bool(known["wide"]))
    except (OSError, ValueError, KeyError, TypeError):  # anything may lie there: it is only a hint
        return None
    return curve if curve.most >= 1 else None


def keep(engine: "Engine", curve: Curve) -> bool:
    """Write it beside the bundle for the next start; False where nothing can be written."""
    path: Path = engine.bundle.folder / NAME
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    try:
        write_json(path, {**(known if isinstance(known, dict) else {}), _machine(engine): asdict(curve)})
    except OSError:
        return False
    return True


def measure(engine: "Engine", *, most: int, pause: Callable[[], None] = lambda: None) -> Curve:
    """Run rows of nothing through the graph, as many at a time as there are threads, in growing batches.

    Args:
        engine: whose graph it is.
        most: rows, that are tried together.
        pause: called before each run; it returns when the machine is free for it.
    """
    lengths = [n for n in _LENGTHS if n <= engine.longest] or [engine.longest] if engine.longest else [0]
    with ThreadPoolExecutor(engine.threads, thread_name_prefix="curve") as pool:

        def seconds_each(rows: int, length: int) -> float:
            batch = engine.blank(rows, length)
            found = []
            for _ in range(_REPEATS):
                pause()
                began, runs = time.perf_counter(), 0
                while not runs or time.perf_counter() - began < _ENOUGH_S:
                    list(pool.map(engine.run_narrow, [batch] * engine.threads))
                    runs += 1
                found.append((time.perf_counter() - began) / runs / engine.threads / rows)
            return min(found)

        best = [(_best(lambda rows, n=n: seconds_each(rows, n), most), n) for n in lengths]  # type: ignore[misc]
        wide = _seconds(engine.run_wide, engine.blank(1, lengths[-1]), pause)
        narrow = _seconds(engine.run_narrow, engine.blank(1, lengths[-1]), pause)
    rows = max(count for count, _ in best)
    tokens = max((count * n for count, n in best if count > 1), default=1) if engine.longest else None
    return Curve(rows, tokens, wide < narrow)


def _best(seconds_each: Callable[[int], float], most: int) -> int:
    """The batch beyond which twice as many rows gain nothing."""
    rows, seconds = 1, seconds_each(1)
    while 2 * rows <= most and (twice := seconds_each(2 * rows)) * _PAYS < seconds:
        rows, seconds = 2 * rows, twice
    return rows


def _seconds(run: Callable[[np.ndarray], object], batch: np.ndarray, pause: Callable[[], None]) -> float:
    found = []
    for _ in range(_REPEATS):
        pause()
        began = time.perf_counter()
        run(batch)
        found.append(time.perf_counter() - began)
    return min(found)


def _machine(engine: "Engine") -> str:
    """Where a curve holds."""
    import onnxruntime

    parts: Sequence[object] = (platform.machine(), _processor(), engine.threads, onnxruntime.__version__)
    return " ".join(map(str, parts))


def _processor() -> str:
    """The model of the processor, as Linux tells it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.system()
