"""Evaluate a registered model on a dataset version."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from holdfast.bundle import Bundle, Manifest, open_bundle
from holdfast.config import Config, load_config
from holdfast.config.compose import read_file, validate
from holdfast.config.schema import AFTERWARDS
from holdfast.core.errors import DataError, RefError
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

    The baselines learn from what the model learnt from, whichever dataset they are asked about; where
    that is not there any more, they are left out.

    Args:
        model: a reference, such as `birds@champion`.
        dataset: the dataset version; the one that the model was trained on by default.
        split: train, valid or test.

    Returns:
        `model`, with the version that was measured, whatever it was called by; `dataset` likewise; and what
        a model's own evaluation holds.

    Raises:
        DataError: if the split is empty, or its labels are not those of the model.
    """
    registry = Registry(workspace.models)
    model = str(registry.resolve(parse_ref(model)))
    bundle = open_bundle(registry.path(parse_ref(model)))
    origin = bundle.manifest.provenance
    own = Ref(str(origin["dataset"]), version=int(origin["version"]))
    ref = parse_ref(dataset) if dataset else own
    with open_version(workspace.datasets, ref) as version, _learnt(workspace, own) as learnt:
        version.refuse_altered()
        _fits(model, bundle.manifest, version, split)
        config = config_of(bundle, workspace)
        scored = score(Engine(bundle), version, version.indices(split))
        preparation = prepare(bundle.manifest.prepare, bundle.tokenizer)
        seed = config.train.seed
        beside = (
            {}
            if learnt is None
            else baselines(
                version, preparation, config.evaluate, bundle.manifest.prepare, split, seed, learnt=learnt
            )
        )
        evaluation = report(
            version,
            scored,
            thresholds=bundle.manifest.thresholds,
            config=config.evaluate,
            beside=beside,
            seed=seed,
        )
        return {
            "model": model,
            "dataset": f"{version.info.name}@{version.info.version}",
            "fingerprint": version.info.fingerprint,
            "split": split,
            **evaluation,
        }


def config_of(bundle: Bundle, workspace: Workspace) -> Config:
    """The configuration of the model's run, so that the numbers are made as they were then.

    What only comes after a training, which another release may have called otherwise, is as by default.
    """
    stored = workspace.runs / str(bundle.manifest.provenance.get("run")) / "config.yaml"
    if not stored.is_file():
        return load_config(recipe=bundle.manifest.modality).config
    return validate({key: value for key, value in read_file(stored).items() if key not in AFTERWARDS})


def _learnt(workspace: Workspace, own: Ref) -> AbstractContextManager[Version | None]:
    """The data that the model learnt from; None where this workspace does not have it any more."""
    try:
        return open_version(workspace.datasets, own)
    except RefError:
        return nullcontext()


def _fits(model: str, manifest: Manifest, version: Version, split: str) -> None:
    labels = manifest.labels
    ours, theirs = (manifest.modality, manifest.task), (version.info.modality, version.info.task)
    if ours != theirs:
        raise DataError(
            f"{model} is for {ours[0]}, {ours[1]} label, "
            f"but {version.info.name}@{version.info.version} holds {theirs[0]}, {theirs[1]} label",
            hint="evaluate on a dataset of the same kind",
        )
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
