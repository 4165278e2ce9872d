"""Where the time of a training goes: waiting for data, forward, backward, step, and what to do about it."""

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from holdfast.core.files import write_bytes
from holdfast.train.loader import Batch

TRACE = "trace.json"
"""File of a run with what torch's profiler saw of some steps, for chrome://tracing or ui.perfetto.dev."""
_SKIPPED, _TRACED = 3, 5
"""Steps before the trace begins, as the first ones load and allocate, and steps in it."""
_MUCH = 0.25


class Profile:
    """Adds up the time of each phase of the steps, and traces a few steps with torch's profiler.

    Args:
        folder: takes the trace; None turns everything off.
        device: where the network runs; a GPU must be waited for, as it works on while the program goes on.
    """

    def __init__(self, folder: Path | None, device: torch.device | None = None) -> None:
        self._folder, self._device = folder, device
        self._began = time.perf_counter()
        self._seconds = dict.fromkeys(("data", "forward", "backward", "step"), 0.0)
        self._tracer: Any = None if folder is None else self._make_tracer()

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Within it, time counts for this phase."""
        return nullcontext() if self._folder is None else self._timed(name)

    def waiting(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, and the time until each is there."""
        source = iter(batches)
        while True:
            with self.phase("data"):
                batch = next(source, None)
            if batch is None:
                return
            yield batch
            if self._tracer is not None:
                self._tracer.step()

    def report(self) -> dict[str, Any] | None:
        """Seconds of each phase and the `rest` (validation, checkpoints, log), and `advice`; None if off."""
        if self._folder is None:
            return None
        if self._tracer is not None:
            self._tracer.stop()
            self._tracer = None
        whole = time.perf_counter() - self._began
        seconds = {**self._seconds, "rest": max(0.0, whole - sum(self._seconds.values()))}
        rounded = {name: round(spent, 3) for name, spent in seconds.items()}
        return {"seconds": rounded, "advice": advice(seconds)}

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        if self._device is not None and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._seconds[name] += time.perf_counter() - began

    def _make_tracer(self) -> Any:
        from torch import profiler

        kinds = [profiler.ProfilerActivity.CPU]
        if self._device is not None and self._device.type == "cuda":
            kinds.append(profiler.ProfilerActivity.CUDA)
        tracer = profiler.profile(
            activities=kinds,
            schedule=profiler.schedule(wait=_SKIPPED - 1, warmup=1, active=_TRACED, repeat=1),
            on_trace_ready=self._write,
        )
        tracer.start()
        return tracer

    def _write(self, tracer: Any) -> None:
        assert self._folder is not None
        with tempfile.TemporaryDirectory() as aside:
            exported = Path(aside) / TRACE
            tracer.export_chrome_trace(str(exported))
            write_bytes(self._folder / TRACE, exported.read_bytes())


OFF = Profile(None)


def advice(seconds: dict[str, float]) -> str:
    """What to try first, from the seconds of each phase.

    >>> advice({"data": 6.0, "forward": 2.0, "backward": 2.0, "step": 0.1, "rest": 0.1})
    'steps wait for data: try a larger train.cache_mb, more train.workers, or lighter augmentation'
    """
    whole = sum(seconds.values()) or 1.0
    shares = {name: spent / whole for name, spent in seconds.items()}
    if shares["data"] > _MUCH:
        return "steps wait for data: try a larger train.cache_mb, more train.workers, or lighter augmentation"
    if shares["rest"] > _MUCH:
        return "much is spent beside the steps: try a smaller validation split or a larger train.checkpoint_s"
    if shares["step"] > _MUCH:
        return "the update of the weights is the limit: try a larger train.batch"
    return (
        "the network is the limit: try device.precision=bf16, a smaller prepare.size or a smaller model.width"
    )
