"""From a trained network to a sealed bundle: export, calibrate, measure through the engine, seal."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.bundle import Bundle, Manifest, open_bundle, seal, write_card, write_golden, write_reference
from holdfast.bundle.golden import TOLERANCE
from holdfast.bundle.manifest import GOLDEN
from holdfast.config import Config
from holdfast.core.files import folder_aside, publish, write_bytes, write_json, write_text
from holdfast.core.progress import progress, say
from holdfast.data import Version
from holdfast.evaluate import apply_temperature, choose_thresholds, fit_temperature, parity
from holdfast.export import export_onnx, set_temperature, torch_probabilities
from holdfast.modality import Preparation
from holdfast.models import Classifier
from holdfast.serve.engine import Engine
from holdfast.tracking import Run
from holdfast.workflows.abstaining import keep_abstention, measured_abstention
from holdfast.workflows.scoring import Scored, baselines, logits_of, pooled, report, score, uncalibrated

_GOLDEN_BYTES = 1_000_000


def make_bundle(
    run: Run,
    config: Config,
    version: Version,
    preparation: Preparation,
    tokenizer: bytes | None,
    model: Classifier,
) -> Path:
    """Write the run's bundle, whole or not at all, and give its folder; if it is there, leave it.

    The temperature and the thresholds are fitted on the validation split. Every number in the
    bundle is what the serving engine answered when it ran this very graph.
    """
    final = run.folder / "bundle"
    if final.exists():
        return final
    task = version.info.task
    with folder_aside(run.folder) as aside:
        if tokenizer is not None:
            write_bytes(aside / "tokenizer.json", tokenizer)
        example = preparation.collate([preparation.decode(version.read(0))[0]] * 2)
        say("export the graph")
        export_onnx(model, aside / "model.onnx", example=example, task=task)
        manifest = seal(aside, _draft(run, config, version))
        temperature, thresholds = _calibrate(aside, config, version)
        set_temperature(aside / "model.onnx", temperature)
        manifest = seal(aside, manifest.model_copy(update={"thresholds": thresholds}))
        scored = score(_engine(open_bundle(aside), config), version, version.indices("test"))
        say("compare with baselines")
        evaluation = report(
            version,
            scored,
            thresholds=thresholds,
            config=config.evaluate,
            beside=baselines(version, preparation, config.evaluate, config.prepare, seed=config.train.seed),
            before=uncalibrated(scored, temperature, task),
            seed=config.train.seed,
        )
        evaluation["calibration"]["temperature"] = temperature
        shown = parity(
            _from_torch(model, version, preparation, scored, temperature),
            scored.probabilities,
            task,
            None if thresholds is None else np.array(thresholds),
        )
        manifest = manifest.model_copy(update={"metrics": evaluation["metrics"], "parity": shown})
        write_facts(aside, manifest, evaluation, scored, version, golden=config.evaluate.golden)
        publish(aside, final)
    return final


def write_facts(
    folder: Path,
    manifest: Manifest,
    evaluation: dict[str, Any],
    scored: Scored,
    version: Version,
    *,
    golden: int,
    tolerance: float = TOLERANCE,
) -> None:
    """Write into a bundle what was found out about its graph, and seal it.

    Args:
        folder: of the bundle, with its graph.
        manifest: holds the metrics already.
        evaluation: becomes `evaluation.json`.
        scored: what the engine answered to the held-out samples.
        version: the data.
        golden: how many golden samples it carries.
        tolerance: largest difference from their answers that a server may show.
    """
    targets = version.targets[scored.indices]
    abstention = measured_abstention(folder, scored.probabilities, targets, manifest.task)
    evaluation = {**evaluation, "abstention": abstention}
    write_json(folder / "evaluation.json", evaluation)
    write_reference(
        folder / "reference.npz",
        probabilities=scored.probabilities,
        embeddings=scored.embeddings,
        targets=targets,
    )
    keep_golden(folder, scored, version, golden, tolerance)
    write_text(folder / "CARD.md", write_card(manifest, evaluation, version.info.splits))
    seal(folder, manifest)


def keep_golden(
    folder: Path, scored: Scored, version: Version, count: int, tolerance: float = TOLERANCE
) -> None:
    """Write golden samples: the first of each label in turn, none of them large.

    Args:
        folder: of a bundle that is not sealed yet.
        scored: what the engine answered to the held-out samples.
        count: how many, at most.
        tolerance: largest difference of a probability that a server may show.
    """
    first = np.argsort(scored.probabilities.argmax(axis=1), kind="stable")
    labels = scored.probabilities.argmax(axis=1)[first]
    turn = np.arange(len(first)) - np.searchsorted(labels, labels)  # the n-th of its label
    chosen: list[tuple[int, bytes]] = []
    for place in first[np.argsort(turn, kind="stable")]:
        if len(chosen) == count:
            break
        data = version.read(int(scored.indices[place]))
        if len(data) <= _GOLDEN_BYTES:
            chosen.append((int(place), data))
    if chosen:
        places, items = zip(*chosen, strict=True)
        write_golden(folder / GOLDEN, items, scored.probabilities[list(places)], tolerance)


def _draft(run: Run, config: Config, version: Version) -> Manifest:
    environment = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    git = environment.get("git") or {}
    return Manifest(
        task=version.info.task,
        modality=version.info.modality,
        labels=list(version.info.labels),
        prepare=config.prepare,
        provenance={
            "run": run.id,
            "dataset": version.info.name,
            "version": version.info.version,
            "fingerprint": version.info.fingerprint,
            "git_commit": git.get("commit"),
            "diff_digest": git.get("diff_digest"),
            "environment_digest": environment.get("digest"),
            **({"pretrained": _origin(facts)} if (facts := run.info.facts.get("pretrained")) else {}),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def _origin(pretrained: dict[str, str]) -> str:
    """The network that was tuned, and which one of that name."""
    return f"{pretrained['source']}@{pretrained.get('revision') or pretrained['digest'][:12]}"


def _calibrate(aside: Path, config: Config, version: Version) -> tuple[float, list[float] | None]:
    """The temperature and, for many labels, the thresholds that fit the validation split."""
    task, labels = version.info.task, len(version.info.labels)
    rows = version.validation()
    if not len(rows):
        return 1.0, [0.5] * labels if task == "multi" else None
    valid = score(_engine(open_bundle(aside), config), version, rows, "calibrate")
    targets = version.targets[valid.indices]
    logits = logits_of(valid.parts, task)
    temperature = fit_temperature(logits, valid.part_of, targets, task)
    probabilities = pooled(apply_temperature(logits, temperature, task), valid.parts)
    keep_abstention(aside, probabilities, targets, task, config.evaluate.cover)
    if task == "single":
        return temperature, None
    return temperature, [float(value) for value in choose_thresholds(probabilities, targets)]


def _from_torch(
    model: Classifier, version: Version, preparation: Preparation, scored: Scored, temperature: float
) -> np.ndarray:
    """The training code's own answer for the scored samples; shape (n, labels)."""
    answers = []
    with progress("compare with the training code", len(scored.indices), unit="samples") as bar:
        for row in scored.indices:
            batch = preparation.collate(list(preparation.decode(version.read(int(row)))))
            answers.append(torch_probabilities(model, batch, temperature, version.info.task).mean(axis=0))
            bar.advance()
    return np.stack(answers)


def _engine(bundle: Bundle, config: Config) -> Engine:
    return Engine(bundle, threads=config.serve.threads, batch=config.serve.batch)
