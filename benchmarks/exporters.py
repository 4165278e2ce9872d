"""What exporters cost the training loop: the same steps while tools follow the run, and while none does."""

import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.train_step import _ours, _prepared
from holdfast.tracking.exporters import Helpers, Settings, read_sent
from holdfast.train.device import repeatable

_PAIRS = 15
_TOOLS = ("tensorboard", "wandb")


def main() -> list[tuple[str, float, float | None]]:
    """The median over pairs of blocks that ran one after the other.

    The processes of the tools are stopped for the blocks without them. Each block logs every tenth step
    as a training does. On the clock, and in CPU seconds of the training's own process.
    """
    with tempfile.TemporaryDirectory() as folder:
        learner, batches, run = _prepared(Path(folder))
        helpers = Helpers(run.folder, _TOOLS, Settings("bench", mode="offline"))
        while not all(read_sent(run.folder, tool).where for tool in _TOOLS):
            time.sleep(0.1)
        with repeatable(learner.device), run:
            wall, work = [], []
            for number in range(_PAIRS + 1):
                seconds = {}
                for on in (True, False) if number % 2 else (False, True):
                    _signal(helpers, signal.SIGCONT if on else signal.SIGSTOP)
                    seconds[on] = _timed(lambda: _ours(learner, batches, run))
                wall.append(seconds[True][0] / seconds[False][0])
                work.append(seconds[True][1] / seconds[False][1])
            _signal(helpers, signal.SIGCONT)
            helpers.finish("finished")
    return [
        ("loop with exporters / without, clock", statistics.median(wall[1:]), 1.02),
        ("loop with exporters / without, CPU", statistics.median(work[1:]), 1.02),
    ]


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    clock, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - own


def _signal(helpers: Helpers, number: int) -> None:
    for process in helpers._running.values():
        os.killpg(process.pid, number)


if __name__ == "__main__":
    for title, ratio, _ in main():
        print(f"{title}  {ratio:.3f}")
