"""Ways to make a model smaller or faster, each measured beside the original on validation samples."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.bundle import Bundle, Manifest, open_bundle, seal
from holdfast.config import Config
from holdfast.config.schema import OptimizeConfig
from holdfast.core.errors import BundleError
from holdfast.core.progress import say
from holdfast.data import Version
from holdfast.evaluate import HEADLINE, measure
from holdfast.export import (
    METHODS,
    Method,
    dynamic_int8,
    fits_dynamic,
    fits_static,
    hangs_on_batch,
    has_convolutions,
    has_tables,
    open_session,
    saturates,
    static_int8,
)
from holdfast.modality import Preparation, prepare
from holdfast.workflows.scoring import Scored, scored_by

_TIMED, _TURNS, _TURN_S = 16, 7, 0.02
_AT_ONCE = 8
_AS_FAST = 1.05
"""What is less than 5 % slower than the fastest is as fast."""


@dataclass(frozen=True)
class Candidate:
    """A smaller or faster graph, in a bundle that can answer, and what it costs.

    Attributes:
        how: in words.
        bundle: a draft: sealed, but not evaluated.
        latency: milliseconds of one core for one sample, the mean over real ones.
        before: the same of the original, measured in turns with it.
        points: of the headline metric on validation samples, above (or below) the original's.
        apart: mean difference of a probability from the original's.
    """

    how: str
    bundle: Bundle
    latency: float
    before: float
    points: float
    apart: float

    @property
    def ratio(self) -> float:
        """Of its time to the original's."""
        return self.latency / self.before

    def told(self) -> dict[str, Any]:
        """A row of what was tried."""
        return {
            "how": self.how,
            "size_mb": self.bundle.model.stat().st_size / 1e6,
            "latency_ms": self.latency,
            "times_as_fast": 1 / self.ratio,
            "points": self.points,
            "apart": self.apart,
        }


class Bench:
    """The original and real samples, against which candidates are measured."""

    def __init__(
        self, original: Bundle, version: Version, config: Config, dials: OptimizeConfig, folder: Path
    ) -> None:
        self.original, self.version, self.config, self.dials = original, version, config, dials
        self.folder = folder
        self.preparation: Preparation = prepare(original.manifest.prepare, original.tokenizer)
        train = np.random.default_rng(0).permutation(version.indices("train"))
        self.learnt = np.sort(train[: dials.samples])
        valid = version.validation()
        # Without validation samples, others of training: what is compared is one graph with another
        rest = valid if len(valid) else train[dials.samples :]
        rows = rest if len(rest) else train
        self.split = "valid" if len(valid) else "train"
        self.rows = np.sort(np.random.default_rng(0).permutation(rows)[: dials.valid])
        self.before: Scored = scored_by(original, version, self.rows, config, "the original on validation")
        self._inputs = self._alone(self.rows[:_TIMED])
        self.failed: list[dict[str, Any]] = []

    def batches(self) -> list[np.ndarray]:
        """Training samples as the graph takes them; texts one by one, as padding has other ranges."""
        inputs = self._alone(self.learnt)
        if self.original.manifest.modality == "text":
            return inputs
        size = min(_AT_ONCE, len(inputs))
        # of one size, which histograms need; a rest is left out
        return [np.concatenate(inputs[at : at + size]) for at in range(0, len(inputs) - size + 1, size)]

    def attempt(self, how: str, make: Callable[[Path], None]) -> Candidate | None:
        """Make a graph and measure it; None where it cannot be made, which is noted.

        Args:
            how: in words.
            make: writes the graph.
        """
        say(f"try {how}")
        place = self.folder / f"{len(list(self.folder.iterdir()))}"
        place.mkdir()
        try:
            make(place / "model.onnx")
        except BundleError as error:
            self.failed.append({"how": how, "failed": error.message})
            return None
        bundle = _draft(place, self.original, how)
        before, after = self._latencies(bundle)
        scored = scored_by(bundle, self.version, self.rows, self.config, f"{how} on validation")
        return Candidate(how, bundle, after, before, self._points(scored), self._apart(scored))

    def _points(self, scored: Scored) -> float:
        targets, cuts = self.version.targets[self.rows], self.original.manifest.thresholds
        name = HEADLINE[self.original.manifest.task]
        levels = [
            measure(of.probabilities, targets, None if cuts is None else np.array(cuts))[name]
            for of in (self.before, scored)
        ]
        return 0.0 if levels[0] is None or levels[1] is None else 100 * (levels[1] - levels[0])

    def _apart(self, scored: Scored) -> float:
        return float(np.abs(scored.probabilities - self.before.probabilities).mean())

    def _alone(self, rows: np.ndarray) -> list[np.ndarray]:
        """One part of each sample, the middle one, in a batch of its own."""
        found = []
        for row in rows:
            parts = self.preparation.decode(self.version.read(int(row)))
            found.append(self.preparation.collate([parts[len(parts) // 2]]))
        return found

    def _latencies(self, bundle: Bundle) -> tuple[float, float]:
        """Milliseconds of the original and of a candidate, in turns: the machine is busier at some times."""
        sessions = [open_session(path) for path in (self.original.model, bundle.model)]
        turns = [[self._turn(session) for session in sessions] for _ in range(_TURNS + 1)]
        before, after = np.median(turns[1:], axis=0)  # the first one warms up
        return float(before), float(after)

    def _turn(self, session: Any) -> float:
        """Milliseconds for one sample of time that this thread had: what others take does not count."""
        began, runs = time.thread_time(), 0
        while time.thread_time() - began < _TURN_S:
            for batch in self._inputs:
                session.run(None, {"input": batch})
            runs += len(self._inputs)
        return 1000 * (time.thread_time() - began) / runs


def int8_candidates(bench: Bench, graph: Path | None = None, what: str = "") -> list[Candidate]:
    """Static and dynamic eight-bit graphs, where they fit: layout first, then how ranges are taken.

    Args:
        graph: that they are made from; the original's by default.
        what: it is, in words, for the names of the candidates.
    """
    source = graph or bench.original.model
    narrow = saturates() if bench.dials.narrow is None else bench.dials.narrow
    bits = ", weights of 7 bits" if narrow else ""
    found: list[Candidate | None] = []
    if fits_static(source):
        batches = bench.batches()

        def static(method: Method, between: bool, *, first: bool = True) -> Candidate | None:
            layers = ("all layers" if between else "large layers") + ("" if first else " but the first")
            return bench.attempt(
                f"{what}int8 static, {layers}, {method}{bits}",
                lambda path: static_int8(
                    source, path, batches, method=method, between=between, first=first, narrow=narrow
                ),
            )

        layouts = (False, True) if has_convolutions(source) else (False,)
        made = {between: static(METHODS[0], between) for between in layouts}
        known = {between: candidate for between, candidate in made.items() if candidate}
        found += known.values()
        if known:
            between = min(known, key=lambda layout: known[layout].ratio)
            ways = {METHODS[0]: known[between], **{way: static(way, between) for way in METHODS[1:]}}
            nearest = min((it.apart, way) for way, it in ways.items() if it)[1]
            found += [ways[way] for way in METHODS[1:]] + [static(nearest, between, first=False)]
    if has_tables(source):
        how = f"{what}int8 tables"
        found.append(bench.attempt(how, lambda path: dynamic_int8(source, path, products=False)))
    if fits_dynamic(source):
        how = f"{what}int8 dynamic{bits}"
        found.append(bench.attempt(how, lambda path: dynamic_int8(source, path, narrow=narrow)))
    return [candidate for candidate in found if candidate]


def pick(candidates: Sequence[Candidate], budget: float) -> Candidate:
    """The fastest that is inside the budget on validation; of those as fast, the nearest to the original.

    Where none is inside, the nearest of all: the held-out samples will say how it does.
    """
    inside = [candidate for candidate in candidates if candidate.points >= -budget]
    if not inside:
        return min(candidates, key=lambda candidate: candidate.apart)
    fastest = min(candidate.ratio for candidate in inside)
    return min(
        (candidate for candidate in inside if candidate.ratio <= _AS_FAST * fastest),
        key=lambda candidate: candidate.apart,
    )


def _draft(folder: Path, original: Bundle, how: str) -> Bundle:
    """A graph with what it needs to answer, sealed."""
    if original.tokenizer is not None:
        shutil.copyfile(original.folder / "tokenizer.json", folder / "tokenizer.json")
    manifest = original.manifest
    alone = {"alone": True} if hangs_on_batch(folder / "model.onnx") else {}
    fresh = Manifest(
        task=manifest.task,
        modality=manifest.modality,
        labels=manifest.labels,
        prepare=manifest.prepare,
        thresholds=manifest.thresholds,
        provenance={**manifest.provenance, "optimized": how, **alone},
    )
    seal(folder, fresh)
    return open_bundle(folder)
