"""Evaluate a registered model on a dataset version."""

from typing import Any

from holdfast.bundle import open_bundle
from holdfast.config.schema import EvaluateConfig
from holdfast.core.errors import DataError
from holdfast.core.refs import Ref, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, open_version
from holdfast.modality import prepare
from holdfast.registry import Registry
from holdfast.serve.engine import Engine
from holdfast.workflows.scoring import baselines, report, score


def evaluate_model(
    model: str, workspace: Workspace, *, dataset: str | None = None, split: str = "test"
) -> dict[str, Any]:
    """Every metric of a model on one split, beside the baselines, measured through the serving engine.

    Args:
        model: a reference, such as `birds@champion`.
        dataset: the dataset version; the one that the model was trained on by default.
        split: train, valid or test.

    Raises:
        DataError: if the split is empty, or its labels are not those of the model.
    """
    bundle = open_bundle(Registry(workspace.models).path(parse_ref(model)))
    origin = bundle.manifest.provenance
    ref = parse_ref(dataset) if dataset else Ref(str(origin["dataset"]), version=int(origin["version"]))
    config = EvaluateConfig()
    with open_version(workspace.datasets, ref) as version:
        _fits(model, bundle.manifest.labels, version, split)
        scored = score(Engine(bundle), version, split)
        preparation = prepare(bundle.manifest.prepare, bundle.tokenizer)
        beside = baselines(version, preparation, config, bundle.manifest.prepare, split)
        evaluation = report(
            version, scored, thresholds=bundle.manifest.thresholds, config=config, beside=beside
        )
        return {
            "model": str(parse_ref(model)),
            "dataset": f"{version.info.name}@{version.info.version}",
            "fingerprint": version.info.fingerprint,
            "split": split,
            **evaluation,
        }


def _fits(model: str, labels: list[str], version: Version, split: str) -> None:
    if list(version.info.labels) != list(labels):
        strange = sorted(set(version.info.labels) ^ set(labels))
        raise DataError(
            f"{model} and {version.info.name}@{version.info.version} differ in labels: {', '.join(strange)}",
            hint="evaluate on a dataset with the same labels, or train a model on this one",
        )
    if not len(version.indices(split, headline=True)):
        raise DataError(
            f"{version.info.name}@{version.info.version} has no samples in {split!r}",
            hint=f"its splits are: {version.info.splits}",
        )
