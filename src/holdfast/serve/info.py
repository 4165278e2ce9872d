"""What `/info` says of a model and of the server's limits."""

from typing import Any

from holdfast.bundle import Bundle
from holdfast.config.serve import ServeConfig
from holdfast.core.errors import RefError
from holdfast.core.refs import parse_ref


def describe(bundle: Bundle, config: ServeConfig, ref: str) -> dict[str, Any]:
    """The model, where it comes from, how good it is, what it takes, and how much of it; JSON-ready."""
    manifest, evaluation = bundle.manifest, bundle.evaluation or {}
    return {
        "model": ref,
        "version": _version(ref),
        "digest": bundle.digest,
        "task": manifest.task,
        "modality": manifest.modality,
        "labels": manifest.labels,
        "thresholds": manifest.thresholds,
        "input": manifest.prepare.model_dump(mode="json"),
        "dataset": {
            "name": manifest.provenance.get("dataset"),
            "version": manifest.provenance.get("version"),
            "fingerprint": manifest.provenance.get("fingerprint"),
        },
        "run": manifest.provenance.get("run"),
        "created": manifest.provenance.get("created"),
        "headline": evaluation.get("headline"),
        "metrics": manifest.metrics,
        "baselines": evaluation.get("baselines"),
        "parity": manifest.parity,
        "abstention": evaluation.get("abstention"),
        "limits": {
            "max_mb": config.max_mb,
            "max_files": config.max_files,
            "batch": config.batch,
            "promise_s": config.promise_s,
            **{
                name: limit
                for name in ("max_pixels", "max_s", "max_chars")
                if (limit := getattr(config.limits, name)) and hasattr(manifest.prepare, name)
            },
        },
    }


def _version(ref: str) -> int | None:
    try:
        return parse_ref(ref).version
    except RefError:  # a folder's name need not be a reference
        return None
