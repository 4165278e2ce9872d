"""Train a run once more, and prove that it ends at the same weights, or say what differs and why."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast import __version__
from holdfast.config import Config
from holdfast.config.compose import validate
from holdfast.core.errors import ConfigError, DataError, HoldfastError
from holdfast.core.files import digest_bytes, digest_file
from holdfast.core.refs import Ref, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, fingerprint, open_version, versions_of
from holdfast.tracking import Run, RunRecord, environment, open_run, read_run
from holdfast.train import stored_state, weights_difference
from holdfast.workflows.circumstances import differences, reasons
from holdfast.workflows.training import run_details, summary, train_and_export, working


def reproduce_run(run: str, workspace: Workspace, *, tolerance: float | None = None) -> dict[str, Any]:
    """Train a finished run again on what it was trained on, and compare weights and metrics.

    Configuration, data, seeds, device, precision and threads are those of the run. The second training is
    a run of its own, marked by the fact `reproduces`; its model is not registered. One that was cut short
    is taken up.

    Args:
        run: its id.
        tolerance: largest difference of a weight that is good enough; None asks for equal bits.

    Returns:
        JSON-ready: `ok` (equal, or within the tolerance), `weights` (see `weights_difference`),
        `graph_equal`, `metrics` (name → then, again, difference, on the held-out split), `first_difference`
        (the first logged step at which the trainings part), `differences` of environment and code, the
        likely `reasons`, and `notes`.

    Raises:
        RefError: if there is no such run.
        DataError: if its data is gone or is not what it was.
        HoldfastError: if it has not finished, or what it left is damaged.
    """
    began = time.monotonic()
    original = read_run(workspace.runs, run)
    config = _same_config(original)
    with _same_data(original, workspace) as version:
        around = environment()
        again = open_run(
            workspace.runs,
            name=original.info.name,
            key=_key(original, around),
            details={**run_details(config, version), "reproduces": run},
        )
        with working(again):
            told = summary(version, train_and_export(again, config, version))
            weights = weights_difference(original.checkpoints, again.checkpoints)
            again.finish(metrics=told["metrics"], headline=told["headline"], equal=weights["equal"])
    return {
        "run": run,
        "reproduction": again.id,
        "ok": _is_met(weights, tolerance),
        "tolerance": tolerance,
        "dataset": told["dataset"],
        "weights": weights,
        "graph_equal": _same_graph(original, again),
        "metrics": _metrics(original.info.metrics, told["metrics"]),
        "first_difference": _parting(original.metrics(), again.metrics()),
        **_circumstances(original, again, around, config, equal=weights["equal"]),
        "seconds": time.monotonic() - began,
    }


def _same_config(original: RunRecord) -> Config:
    """The run's configuration, with the device as it turned out to be, not as it was asked for."""
    info = original.info
    if info.status != "finished":
        unfinished = info.status in ("running", "interrupted")
        raise HoldfastError(
            f"run {info.id} is {info.status}: it has no weights to compare with",
            hint="let it finish: `holdfast train` with its settings takes up what was cut short"
            if unfinished
            else "`holdfast runs list` shows which runs have finished",
        )
    if "sweep" in info.facts and not any(original.checkpoints.glob("*")):
        raise HoldfastError(
            f"run {info.id} is trial {info.facts.get('trial')} of sweep {info.facts['sweep']}, which keeps "
            "the weights of its best trial alone: there is nothing to compare with",
            hint=f"to have them, train it again: `holdfast train {info.dataset} --config "
            f"{original.folder / 'config.yaml'}`; that run can then be reproduced",
        )
    stored_state(original.checkpoints)  # before the long part: is there anything to compare with?
    values = original.config()
    used = {"name": "device", "precision": "precision", "threads": "threads"}
    found = {name: info.facts[fact] for name, fact in used.items() if fact in info.facts}
    return _valid({**values, "device": {**values.get("device", {}), **found}}, original)


def _valid(values: Mapping[str, Any], original: RunRecord) -> Config:
    try:
        return validate(values)
    except ConfigError as error:
        made_by = original.environment().get("packages", {}).get("holdfast", "another release")
        raise ConfigError(
            f"run {original.id} was made by holdfast {made_by} with settings that this release, "
            f"{__version__}, does not have or take:\n" + "\n".join(error.message.splitlines()[1:]),
            hint="reproduce it with that release; or train anew with a copy of its config.yaml without them",
        ) from None


def _same_data(original: RunRecord, workspace: Workspace) -> Version:
    """The version that the run names or, if that is gone, another one with the same fingerprint."""
    ref, wanted = parse_ref(str(original.info.dataset)), str(original.info.fingerprint)
    numbers = versions_of(workspace.datasets, ref.name)
    for number in [ref.version] if ref.version in numbers else numbers:
        version = open_version(workspace.datasets, Ref(ref.name, version=number))
        found = fingerprint(version.table)  # anew from the rows; bytes are checked whenever they are read
        if found == wanted:
            return version
        version.close()
        if number == ref.version:
            raise DataError(
                f"{ref} is not what run {original.id} was trained on: its fingerprint is {found[:12]}, "
                f"not {wanted[:12]}",
                hint="restore the dataset from a copy",
            )
    there = f"{ref.name} has {', '.join(map(str, numbers))}" if numbers else f"there is no dataset {ref.name}"
    raise DataError(
        f"{ref}, which run {original.id} was trained on, is gone, and nothing else has its fingerprint "
        f"{wanted[:12]} ({there})",
        hint=f"add the same files again: `holdfast data add SOURCE --name {ref.name}`",
    )


def _key(original: RunRecord, around: Mapping[str, Any]) -> str:
    """A reproduction that was cut short is taken up by the same code only."""
    parts = {"reproduces": original.id, "git": around["git"]}
    return digest_bytes(json.dumps(parts, sort_keys=True).encode())


def _is_met(weights: Mapping[str, Any], tolerance: float | None) -> bool:
    if tolerance is None or weights["equal"]:
        return bool(weights["equal"])
    return weights["max_difference"] is not None and weights["max_difference"] <= tolerance


def _same_graph(original: RunRecord, again: Run) -> bool | None:
    """Whether both exported the very same graph; None if the first one's is gone."""
    graphs = [run.bundle / "model.onnx" for run in (original, again)]
    return digest_file(graphs[0]) == digest_file(graphs[1]) if graphs[0].exists() else None


def _metrics(then: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    rows = {}
    for name, metric in again.items():
        first, second = (then.get(name) or {}).get("value"), metric["value"]
        known = first is not None and second is not None
        rows[name] = {"then": first, "again": second, "difference": second - first if known else None}
    return rows


def _parting(then: Sequence[Mapping[str, Any]], again: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The first step at which both logged a loss, but not the same one."""
    names = ("loss", "train_loss")
    logs = [
        {(row["step"], name): row[name] for row in log for name in names if name in row}
        for log in (then, again)
    ]
    for step, name in sorted(logs[0].keys() & logs[1].keys()):
        pair = [log[step, name] for log in logs]
        if pair[0] != pair[1]:
            return {"step": step, "what": name, "then": pair[0], "again": pair[1]}
    return None


def _circumstances(
    original: RunRecord, again: Run, around: Mapping[str, Any], config: Config, *, equal: bool
) -> dict[str, Any]:
    """What differed around the two trainings, why the weights differ if they do, and what to keep in mind."""
    then, stored = original.environment(), set(_flat(original.config()))
    found = differences(then, around, [_facts(original), _facts(again)])
    found += [
        {"what": f"config.{name}", "then": None, "now": value}
        for name, value in _flat(config.model_dump()).items()
        if name not in stored
    ]
    clock = _clock(original, config)
    notes = [clock] if clock else []
    git = around.get("git") or {}
    if git.get("dirty"):
        notes.append(
            "the checkout has changes that are not committed, so its commit alone does not say what ran"
        )
    why = [*([clock] if clock else []), *reasons(found)]
    unknown = (
        "nothing that is written down differs: look for files that git does not track, and for "
        "operations that this device cannot repeat"
    )
    return {"differences": found, "reasons": [] if equal else why or [unknown], "notes": notes}


def _facts(run: RunRecord) -> dict[str, Any]:
    """What a run is told of itself, with the digests of what else it began from."""
    facts, tokenizer = dict(run.info.facts), run.bundle / "tokenizer.json"
    if "pretrained" in facts:
        facts["pretrained"] = facts["pretrained"]["digest"][:12]
    if tokenizer.exists():
        facts["tokenizer"] = digest_file(tokenizer)[:12]
    return facts


def _clock(original: RunRecord, config: Config) -> str | None:
    limit, state = config.train.max_minutes, stored_state(original.checkpoints)
    if limit is None:
        return None
    impatient = 0 < config.train.patience <= state.waited
    if state.stopped and not impatient and state.epoch < config.train.epochs:
        return (
            f"the clock ended it after epoch {state.epoch} of {config.train.epochs} "
            f"(train.max_minutes={limit:g}), so no reproduction is sure to be exact"
        )
    return (
        f"train.max_minutes={limit:g} would end a slower training earlier, so it is exact only where that "
        "is not reached"
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
