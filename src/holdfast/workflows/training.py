"""From a dataset version to a registered model: train, export, evaluate, register."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast import __version__
from holdfast.bundle import open_bundle
from holdfast.config import Config, Resolved
from holdfast.config.effect import without_effect
from holdfast.config.schema import AFTERWARDS
from holdfast.core.errors import ConfigError, DataError, TeamError
from holdfast.core.files import digest_bytes, write_bytes
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, check, open_version
from holdfast.modality import learn_tokenizer, prepare, read_text
from holdfast.models.pretrained import find_pretrained
from holdfast.registry import Registry
from holdfast.tracking import Run, list_runs, open_run
from holdfast.tracking.record import CHECKPOINTS
from holdfast.train import fit, follow, load_best, outside, pick_device
from holdfast.workflows.bundling import make_bundle
from holdfast.workflows.exporting import check_exporters, exported
from holdfast.workflows.settings import settings_for


def train_run(
    dataset: str,
    workspace: Workspace,
    *,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
    repeat: bool = True,
    warn: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train on a dataset version, export and evaluate the result, and register it as a new model version.

    A run of the same configuration, data and release that was cut short is taken up where it stood.

    Args:
        dataset: a reference, such as `birds` or `birds@3`.
        overrides: settings in Hydra's grammar.
        config_file: a YAML file of settings, below the overrides and above the workspace's own.
        repeat: whether to train again where such a run has finished and its model is registered.
        warn: is told, before anything is trained, what the result holds too: `findings`, each error and
            warning of `data check`, which leaves only the shards' damage to the reading of them; and
            `unused`, the settings that were chosen but have no effect.

    Raises:
        ConfigError: if the settings are wrong, or are for another modality.
        DataError: if a split that is needed holds nothing.
        RefError: if there is no such dataset version.
    """
    began = time.monotonic()
    with open_version(workspace.datasets, parse_ref(dataset)) as version:
        version.refuse_altered()
        resolved = resolved_for(version, workspace, overrides, config_file)
        config = resolved.config
        _needs_samples(version)
        check_exporters(config, version.info.name)
        name, key = version.info.name, run_key(config, version)
        unused = without_effect(config, resolved.chosen)
        found = {"findings": doubts(version, warn), "unused": unused}
        if warn:
            for line in unused:
                warn(line)
        done = None if repeat else _finished(workspace, key)
        if done:
            bundle = Registry(workspace.models).path(parse_ref(done["model"]))
            return {**summary(version, bundle), **done, **found, "seconds": time.monotonic() - began}
        details = {**run_details(config, version), **found}
        run = open_run(workspace.runs, name=name, key=key, details=details)
        with working(run), exported(run, config, version):
            bundle = train_and_export(run, config, version)
            number = Registry(workspace.models).register(name, bundle, run=run.id)
            model = f"{name}@{number}"
            told = {**summary(version, bundle), **found}
            run.finish(model=model, metrics=told["metrics"], headline=told["headline"])
        told |= {fact: run.info.facts[fact] for fact in ("profile", "exporters") if fact in run.info.facts}
        return {**told, "run": run.id, "model": model, "seconds": time.monotonic() - began}


def followed() -> bool:
    """Whether torchrun has started this process to help another one, which it then has done."""
    team = outside()
    if team is None or team.leads:
        return False
    follow()
    return True


def doubts(version: Version, warn: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
    """What `data check` calls an error or a warning of a version, told to `warn` line by line."""
    found = [finding for finding in check(version, shards=False) if finding.level != "info"]
    if warn:
        for finding in found:
            warn(f"{finding.title}: {finding.detail}")
    return [finding.told() for finding in found]


def config_for(
    version: Version, workspace: Workspace, overrides: Sequence[str], config_file: Path | None
) -> Config:
    """The configuration for a dataset version: its modality's recipe unless another one is named."""
    return resolved_for(version, workspace, overrides, config_file).config


def resolved_for(
    version: Version, workspace: Workspace, overrides: Sequence[str], config_file: Path | None
) -> Resolved:
    """The same, and where each of its values came from."""
    resolved = settings_for(workspace, overrides, config_file, recipe=version.info.modality)
    config = resolved.config
    if config.prepare.modality != version.info.modality:
        raise ConfigError(
            f"recipe {config.recipe!r} is for {config.prepare.modality}, "
            f"but {version.info.name} holds {version.info.modality}",
            hint=f"leave the recipe out, or write recipe={version.info.modality}",
        )
    return resolved


@contextmanager
def working(run: Run) -> Iterator[None]:
    """While a run is worked on: an error is noted in it, and it is let go of at the end.

    A note of `KeyboardInterrupt` says what goes on from the run's checkpoint, if there is one.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and (run.folder / CHECKPOINTS / "last.json").is_file():
            error.add_note(f"the same command goes on from the last checkpoint of {run.id}")
        # What was interrupted, met a full disk or lost a process can be taken up again
        if isinstance(error, Exception) and not isinstance(error, OSError | MemoryError | TeamError):
            run.fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        run.close()


def train_and_export(run: Run, config: Config, version: Version) -> Path:
    """Train from where a run stands, and give the folder of the bundle that it ends in."""
    tokenizer = tokenizer_for(run.folder, config, version)
    preparation = prepare(config.prepare, tokenizer)
    fit(config, version, preparation, run)
    model = load_best(run.folder, config, version, preparation)
    return make_bundle(run, config, version, preparation, tokenizer, model)


def run_details(config: Config, version: Version) -> dict[str, Any]:
    """What a run is told of itself when it begins."""
    return {
        "config": config.model_dump(),
        "dataset": f"{version.info.name}@{version.info.version}",
        "fingerprint": version.info.fingerprint,
        **({"pretrained": origin} if (origin := _pretrained(config)) else {}),
    }


def summary(version: Version, bundle: Path) -> dict[str, Any]:
    """What a program wants to know of a training: the data, the numbers, what they are compared with."""
    opened = open_bundle(bundle)
    evaluation = opened.evaluation or {}
    info = version.info
    return {
        "dataset": {
            "name": info.name,
            "version": info.version,
            "fingerprint": info.fingerprint,
            "samples": info.samples,
            "quarantined": info.quarantined,
        },
        "headline": evaluation["headline"],
        "metrics": evaluation["metrics"],
        "metrics_with_twins": evaluation.get("metrics_with_twins"),
        "baselines": evaluation["baselines"],
        "beats": evaluation.get("beats"),
        "calibration": evaluation.get("calibration"),
        "samples": evaluation["samples"],
        "left_out_twins": evaluation.get("left_out_twins", 0),
        "undefined": evaluation.get("undefined", []),
        "parity": opened.manifest.parity,
    }


def tokenizer_for(folder: Path, config: Config, version: Version) -> bytes | None:
    """The tokenizer for texts: the given one, or one that is learnt once and kept in the folder."""
    if config.prepare.modality != "text":
        return None
    if (given := _given_tokenizer(config)) is not None:
        return given
    kept = folder / "tokenizer.json"
    if not kept.exists():
        texts = (read_text(version.read(int(index))) for index in version.indices("train"))
        write_bytes(kept, learn_tokenizer(texts, config.prepare.vocab))
    return kept.read_bytes()


def _given_tokenizer(config: Config) -> bytes | None:
    """What the configuration names, or what a pretrained network was trained with; None to learn one."""
    if config.prepare.modality != "text":
        return None
    if not config.prepare.tokenizer:
        return _pretrained_tokenizer(config)
    try:
        return Path(config.prepare.tokenizer).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"prepare.tokenizer: cannot read {config.prepare.tokenizer!r} ({error.strerror})",
            hint="give the path of a tokenizer.json, or leave it out to learn one",
        ) from None


def _pretrained_tokenizer(config: Config) -> bytes | None:
    if config.model.name != "hf":
        return None
    found = find_pretrained(config.model)
    if found.tokenizer is None and not found.fresh:
        raise ConfigError(
            f"model.source: {found.source!r} has no tokenizer.json",
            hint="write one with AutoTokenizer.from_pretrained(SOURCE).save_pretrained(FOLDER), "
            "or give prepare.tokenizer",
        )
    return found.tokenizer


def _finished(workspace: Workspace, key: str) -> dict[str, Any] | None:
    """The newest finished run of this key, and its model, if that is in the registry."""
    registry = Registry(workspace.models)
    for info in list_runs(workspace.runs):
        if info.status != "finished" or info.key != key or info.model is None:
            continue
        ref = parse_ref(info.model)
        if ref.version in registry.versions(ref.name):
            return {"run": info.id, "model": info.model}
    return None


def _needs_samples(version: Version) -> None:
    missing = [
        split for split in ("train", "test") if not len(version.indices(split, headline=split == "test"))
    ]
    if missing:
        raise DataError(
            f"{version.info.name}@{version.info.version} has no samples to {' or '.join(missing)} with",
            hint="add more samples: each class needs at least two groups of them",
        )


def run_key(config: Config, version: Version) -> str:
    """Same key, same weights: what a run that was cut short must share with the one that takes it up."""
    device = pick_device(config.device, config.launch.processes)
    parts = {
        "config": config.model_dump(exclude=set(AFTERWARDS)),
        "fingerprint": version.info.fingerprint,
        "dataset": version.info.name,
        "device": [device.torch.type, device.precision, device.threads],
        "tokenizer": digest_bytes(_given_tokenizer(config) or b""),
        "pretrained": _pretrained(config).get("digest"),
        "holdfast": __version__,
    }
    return digest_bytes(json.dumps(parts, sort_keys=True).encode())


def _pretrained(config: Config) -> dict[str, str]:
    """What a pretrained network was, whatever its source holds tomorrow."""
    return find_pretrained(config.model).facts if config.model.name == "hf" else {}
