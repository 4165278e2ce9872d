"""Make a smaller or faster version of a registered model, and register it if it is as good."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from holdfast.bundle import Bundle, open_bundle
from holdfast.config.schema import OptimizeConfig
from holdfast.core.errors import DataError, HoldfastError, RefError
from holdfast.core.refs import Ref, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, open_version
from holdfast.export import half_precision
from holdfast.registry import Registry
from holdfast.workflows.candidates import Bench, Candidate, int8_candidates, pick
from holdfast.workflows.evaluating import config_of
from holdfast.workflows.optimized import Original, complete
from holdfast.workflows.settings import settings_for

Way = Literal["int8", "prune", "prune+int8", "fp16"]

_FASTER, _SLOWER, _SMALLER = 0.95, 1.1, 0.9
"""Shares of the original's time and size: what is faster, what is slower, what is smaller."""


def optimize_model(
    model: str,
    workspace: Workspace,
    *,
    way: Way | None = None,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
) -> dict[str, Any]:
    """Make a smaller or faster version of a model and register it, if it loses no more than the budget.

    Which way is best is decided on validation samples; the held-out ones only say whether it is good enough.

    Args:
        model: a reference, such as `birds@3`.
        way: eight bits, fewer channels, both, or half precision; None tries what fits this CPU and needs no
            training.
        overrides: settings, such as `optimize.budget=1`.
        config_file: a YAML file of settings.

    Returns:
        `model` (None if it was refused), `original`, `accepted`, `reason` (why not), `how`, `headline`,
        `budget`, `difference` (points, low, high), `table` (name → original, optimized), `parity`,
        `calibration`, `samples`, `notes`, `tried` and `tried_on` (the split, and how many samples of it).

    Raises:
        RefError: if there is no such model, or its data is gone.
        DataError: if its data has changed, or holds no held-out samples.
        HoldfastError: if the model cannot be optimised, or not in this way.
    """
    registry = Registry(workspace.models)
    ref = registry.resolve(parse_ref(model))
    bundle = open_bundle(registry.path(ref))
    _refuse_optimized(ref, bundle)
    dials = settings_for(workspace, overrides, config_file, recipe=bundle.manifest.modality).config.optimize
    with _data_of(ref, bundle, workspace) as version, TemporaryDirectory() as folder:
        original = Original(ref, bundle, version, config_of(bundle, workspace))
        bench = Bench(bundle, version, original.config, dials, Path(folder))
        candidates = _candidates(bench, ref, way, workspace)
        chosen = pick(candidates, dials.budget)
        told = complete(chosen, original, dials.budget)
        reason = _against(told, dials, way)
        return {
            "model": None if reason else _register(registry, ref, chosen.bundle.folder),
            **told,
            "accepted": reason is None,
            "reason": reason,
            "notes": _notes(told, chosen, dials),
            "tried": [candidate.told() for candidate in candidates] + bench.failed,
            "tried_on": {"split": bench.split, "samples": len(bench.rows)},
        }


def _refuse_optimized(ref: Ref, bundle: Bundle) -> None:
    origin = bundle.manifest.provenance
    if "optimized_from" in origin:
        raise HoldfastError(
            f"{ref} is optimised already: {origin['optimized']}, from {origin['optimized_from']}",
            hint=f"begin from that: `holdfast optimize {origin['optimized_from']}`",
        )


@contextmanager
def _data_of(ref: Ref, bundle: Bundle, workspace: Workspace) -> Iterator[Version]:
    """The dataset version that a model learnt from, if it is there and as it was."""
    origin = bundle.manifest.provenance
    own = Ref(str(origin["dataset"]), version=int(origin["version"]))
    try:
        opened = open_version(workspace.datasets, own)
    except RefError as error:
        raise RefError(
            f"{ref} learnt from {own}, which is not here any more: {error.message}; without samples "
            "nothing shows what an optimised model loses",
            hint="bring it back, with `holdfast data pull` or `holdfast data add`, or train anew",
        ) from error
    with opened as version:
        version.refuse_altered()
        if version.info.fingerprint != origin.get("fingerprint"):
            raise DataError(
                f"{own} is not the data that {ref} learnt from: its fingerprint is "
                f"{version.info.fingerprint[:12]}, not {str(origin.get('fingerprint'))[:12]}",
                hint=f"train anew: `holdfast train {own}`, and optimise that",
            )
        if not len(version.indices("test", headline=True)):
            raise DataError(
                f"{own} has no held-out samples that are not copies of training ones, so nothing would "
                "show what an optimised model loses",
                hint="add more samples, train on that version, and optimise what comes of it",
            )
        yield version


def _candidates(bench: Bench, ref: Ref, way: Way | None, workspace: Workspace) -> list[Candidate]:
    found: list[Candidate] = []
    if way == "fp16":
        made = bench.attempt("fp16", lambda path: half_precision(bench.original.model, path))
        found = [made] if made else []
    elif way in ("prune", "prune+int8"):
        from holdfast.workflows.pruning import pruned_candidates  # loads torch

        found = pruned_candidates(bench, ref, workspace)
        if found and way == "prune+int8":
            pruned = pick(found, bench.dials.budget)
            found = int8_candidates(bench, pruned.bundle.model, f"{pruned.how}, ")
    else:
        found = int8_candidates(bench)
    if found:
        return found
    failed = "; ".join(f"{each['how']}: {each['failed']}" for each in bench.failed)
    raise HoldfastError(
        f"{ref} cannot be made smaller so: "
        + (failed or "few of its weights are in convolutions, matrix products or large tables"),
        hint="serve it as it is, or train a smaller network: model.width, model.depth, prepare.size",
    )


def _against(told: dict[str, Any], dials: OptimizeConfig, way: Way | None) -> str | None:
    """Why the new model is not to be registered; None if it is."""
    points, headline = told["difference"]["points"], told["headline"]
    if points is None:
        return f"{headline} cannot be measured on the held-out samples"
    if points < -dials.budget:
        return (
            f"it loses {-points:.2f} points of {headline} on {told['samples']} held-out samples, "
            f"more than the budget of {dials.budget:g}"
        )
    size, time = (_ratio(told["table"][name]) for name in ("size_mb", "latency_ms"))
    if way != "fp16" and time > _SLOWER:
        return (
            f"it is slower than the original: {time:.2f} times its time for one sample on one core, "
            f"and at most {_SLOWER:g} times is taken"
        )
    if time > _FASTER and size > _SMALLER:
        return (
            f"it is neither faster ({time:.2f} of the time; {_FASTER:g} or less counts) "
            f"nor smaller ({size:.2f} of the size; {_SMALLER:g} or less counts)"
        )
    return None


def _notes(told: dict[str, Any], chosen: Candidate, dials: OptimizeConfig) -> list[str]:
    """What whoever reads the table should know too."""
    found, low = [], told["difference"]["low"]
    if low is not None and low < -dials.budget:
        found.append(
            f"{told['samples']} held-out samples cannot rule out a loss of {-low:.1f} points: "
            "the interval reaches beyond the budget"
        )
    if chosen.how == "fp16":
        found.append(
            f"half precision pays on a GPU; on this CPU it takes {chosen.ratio:.2f} of the original's time"
        )
    if chosen.bundle.alone:
        found.append(
            "its ranges are taken from what is asked, so it answers one sample at a time: in a batch, an "
            "answer would depend on the others"
        )
    moved = [name for name, fact in told["calibration"].items() if fact["held"] is False]
    if moved:
        found.append(f"{' and '.join(moved)} did not hold, and were fitted anew on the validation split")
    return found


def _ratio(pair: dict[str, float]) -> float:
    return pair["optimized"] / pair["original"]


def _register(registry: Registry, ref: Ref, folder: Path) -> str:
    """Register the bundle, unless this very graph was made from this model before; gives its reference."""
    bundle = open_bundle(folder)
    for number in registry.versions(ref.name):
        known = open_bundle(registry.path(Ref(ref.name, version=number))).manifest
        same_graph = known.files["model.onnx"] == bundle.manifest.files["model.onnx"]
        if same_graph and known.provenance.get("optimized_from") == str(ref):
            return f"{ref.name}@{number}"
    number = registry.register(ref.name, folder, run=str(bundle.manifest.provenance["run"]))
    return f"{ref.name}@{number}"
