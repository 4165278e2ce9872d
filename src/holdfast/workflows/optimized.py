"""What a new graph is worth beside its original: measured on held-out samples, kept in its bundle."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from holdfast.bundle import Bundle
from holdfast.config import Config
from holdfast.core.refs import Ref
from holdfast.data import Version
from holdfast.evaluate import HEADLINE, beats, measure, paired_differences, parity
from holdfast.workflows.bundling import write_facts
from holdfast.workflows.candidates import Candidate
from holdfast.workflows.recalibrating import recalibrate
from holdfast.workflows.scoring import Scored, report, scored_by, uncalibrated

_TOLERANCE = 0.05
"""Of golden samples: the last bit of a float may move an eight-bit number by a whole step, up to 0.04."""


@dataclass(frozen=True)
class Original:
    """A registered model, with the data that it learnt from and was measured on."""

    ref: Ref
    bundle: Bundle
    version: Version
    config: Config


def complete(chosen: Candidate, original: Original, budget: float) -> dict[str, Any]:
    """Calibrate, evaluate and compare a candidate, and write what was found into its bundle.

    Returns:
        What `optimize_model` tells of it, but for what is decided from that.
    """
    version, config, first = original.version, original.config, original.bundle
    bundle, calibration = recalibrate(chosen.bundle, first, version, config)
    rows = version.indices("test")
    before = scored_by(first, version, rows, config, "the original on held-out samples")
    after = scored_by(bundle, version, rows, config, "the new one on held-out samples")
    evaluation = _evaluated(bundle, original, after, calibration)
    apart = parity(
        before.probabilities, after.probabilities, first.manifest.task, _cuts(bundle.manifest.thresholds)
    )
    told = {
        "original": str(original.ref),
        "how": chosen.how,
        "headline": evaluation["headline"],
        "budget": budget,
        "difference": _difference(original, bundle, before, after),
        "table": _table(chosen, original, bundle, before, evaluation),
        "parity": apart,
        "calibration": calibration,
        "samples": evaluation["samples"],
    }
    manifest = bundle.manifest.model_copy(
        update={
            "metrics": evaluation["metrics"],
            "parity": apart,
            "provenance": {
                **bundle.manifest.provenance,
                "optimized_from": str(original.ref),
                "optimized_digest": first.digest,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        }
    )
    write_facts(
        bundle.folder,
        manifest,
        {**evaluation, "optimized": told},
        after,
        version,
        golden=config.evaluate.golden,
        tolerance=_TOLERANCE,
    )
    return told


def _evaluated(
    bundle: Bundle, original: Original, after: Scored, calibration: dict[str, Any]
) -> dict[str, Any]:
    """The evaluation of the new bundle; the baselines, which hang on the data alone, are the original's."""
    config, temperature = original.config, calibration["temperature"]["after"]
    evaluation = report(
        original.version,
        after,
        thresholds=bundle.manifest.thresholds,
        config=config.evaluate,
        beside={},
        before=uncalibrated(after, temperature, bundle.manifest.task),
        seed=config.train.seed,
    )
    evaluation["calibration"]["temperature"] = temperature
    baselines = (original.bundle.evaluation or {}).get("baselines") or {}
    won = beats(evaluation["metrics"], baselines, evaluation["headline"])
    return {**evaluation, "baselines": baselines, "beats": won}


def _difference(original: Original, bundle: Bundle, before: Scored, after: Scored) -> dict[str, float | None]:
    """Points of the headline metric above the original, with their interval; twins of training left out."""
    version, dials, task = original.version, original.config.evaluate, bundle.manifest.task
    held = ~version.twins[before.indices]
    rows = before.indices[held]
    found = paired_differences(
        before.probabilities[held],
        after.probabilities[held],
        version.targets[rows],
        thresholds=(_cuts(original.bundle.manifest.thresholds), _cuts(bundle.manifest.thresholds)),
        groups=version.groups[rows],
        resamples=dials.bootstrap,
        confidence=dials.confidence,
        seed=original.config.train.seed,
    )[HEADLINE[task]]
    points = {end: None if value is None else 100 * value for end, value in found.items()}
    return {"points": points["difference"], "low": points["low"], "high": points["high"]}


def _table(
    chosen: Candidate, original: Original, bundle: Bundle, before: Scored, evaluation: dict[str, Any]
) -> dict[str, dict[str, float | None]]:
    version, first = original.version, original.bundle
    held = ~version.twins[before.indices]
    levels = measure(
        before.probabilities[held],
        version.targets[before.indices[held]],
        _cuts(first.manifest.thresholds),
    )
    known = (first.evaluation or {}).get("calibration") or {}
    names = [evaluation["headline"], *(name for name in ("accuracy",) if name in evaluation["metrics"])]
    return {
        "size_mb": _pair(first.model.stat().st_size / 1e6, bundle.model.stat().st_size / 1e6),
        "latency_ms": _pair(chosen.before, chosen.latency),
        **{name: _pair(levels[name], evaluation["metrics"][name]["value"]) for name in names},
        "calibration_error": _pair(known.get("after"), evaluation["calibration"]["after"]),
    }


def _pair(original: float | None, optimized: float | None) -> dict[str, float | None]:
    return {"original": original, "optimized": optimized}


def _cuts(thresholds: list[float] | None) -> np.ndarray | None:
    return None if thresholds is None else np.array(thresholds)
