"""What the training loop costs on top of a raw torch loop of the same network on the same tensors."""

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch.nn.functional as F

from holdfast.config import load_config
from holdfast.core.progress import progress
from holdfast.core.refs import Ref
from holdfast.data import SourceOptions, ingest, open_version
from holdfast.modality import prepare, probe
from holdfast.testing.toys import write_images
from holdfast.tracking import Run, open_run
from holdfast.train.checkpoint import State
from holdfast.train.device import pick_device, repeatable
from holdfast.train.learner import Learner, make_learner
from holdfast.train.loader import Batch, training_batches
from holdfast.train.loop import learn_epoch
from holdfast.train.sampler import split_evenly
from holdfast.train.samples import Samples

_STEPS, _PAIRS = 12, 9


def main() -> list[tuple[str, float, float | None]]:
    """The median over pairs of blocks that ran one after the other.

    CPU seconds on one thread, since other work on the machine changes the time on the clock. The raw
    loop does what must be done to learn, with the same optimiser; ours has clipping, schedule, running
    loss, log and a bar on a terminal besides. Both go on with the same weights: two networks of equal
    shape differ by up to 10 % in speed, by where their weights happen to lie in memory.
    """
    with tempfile.TemporaryDirectory() as folder, _terminal():
        learner, batches, run = _prepared(Path(folder))
        with repeatable(learner.device), run:
            ratios = []
            for number in range(_PAIRS + 1):
                seconds = {}
                for step in (_ours, _raw) if number % 2 else (_raw, _ours):
                    began = time.process_time()
                    step(learner, batches, run)
                    seconds[step] = time.process_time() - began
                ratios.append(seconds[_ours] / seconds[_raw])
    return [("train step / raw torch loop", statistics.median(ratios[1:]), 1.05)]  # the first one warms up


def _ours(learner: Learner, batches: Sequence[Batch], run: Run) -> None:
    with progress("train", sum(len(batch.places) for batch in batches), unit="samples") as bar:
        learn_epoch(learner, batches, State(), run, bar, count=len(batches))


def _raw(learner: Learner, batches: Sequence[Batch], run: Run) -> None:  # noqa: ARG001
    model, optimizer = learner.model, learner.optimizer
    for batch in batches:
        loss = F.cross_entropy(model(batch.inputs)[0], batch.shares)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def _prepared(folder: Path) -> tuple[Learner, list[Batch], Run]:
    """The network of the image recipe, with batches of toy pictures."""
    config = load_config(["device.threads=1", "device.name=cpu", "train.checkpoint_s=1e9"]).config
    count = _STEPS * config.train.batch
    source = write_images(folder / "toy", per_class=count, size=config.prepare.size)
    ingest(source, folder / "store", "toy", options=SourceOptions(), probe=probe)
    run = open_run(folder / "runs", name="toy", key="bench", details={"config": {}, "dataset": "toy@1"})
    with open_version(folder / "store", Ref("toy")) as version:
        preparation, device = prepare(config.prepare), pick_device(config.device)
        samples = Samples(version, preparation, cache_mb=config.train.cache_mb, threads=1)
        plan = split_evenly(version.indices("train")[:count], config.train.batch)
        batches = list(training_batches(samples, plan, config.augment, key=(0, 0)))
        learner = make_learner(config, version, preparation, device)
    return learner, batches, run


@contextmanager
def _terminal() -> Iterator[None]:
    """stderr is a terminal that nobody sees, so that the bar is drawn."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    seen, sys.stderr = sys.stderr, Terminal()
    try:
        yield
    finally:
        sys.stderr = seen


if __name__ == "__main__":
    for title, ratio, _ in main():
        print(f"{title}  {ratio:.2f}")
