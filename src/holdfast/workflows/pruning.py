"""Prune a registered model: cut channels out of its weights, train them a little, and export a new graph."""

import copy
from functools import partial
from pathlib import Path

from holdfast.core.errors import HoldfastError
from holdfast.core.progress import say
from holdfast.core.refs import Ref
from holdfast.core.workspace import Workspace
from holdfast.export import export_onnx, read_temperature, set_temperature
from holdfast.models import Classifier
from holdfast.models.pruning import can_be_pruned, prune
from holdfast.train import load_best, tune
from holdfast.workflows.candidates import Bench, Candidate


def pruned_candidates(bench: Bench, ref: Ref, workspace: Workspace) -> list[Candidate]:
    """Networks with fewer channels, fewest first, until one is inside the budget on validation.

    Raises:
        HoldfastError: if the weights that training wrote are gone, or nothing in the network can be pruned.
    """
    network = _weights(bench, ref, workspace)
    shares = [keep for keep in sorted(set(bench.dials.keep)) if can_be_pruned(network, keep)]
    if not shares:
        raise HoldfastError(
            f"{ref} cannot be pruned: {bench.config.model.name} has no channels that we know how to cut out, "
            "or so few of them that all are kept",
            hint="leave --prune out, and what else fits is tried",
        )
    found = []
    for keep in shares:
        made = bench.attempt(f"{keep:.0%} of the channels", partial(_pruned, bench, network, keep))
        if made:
            found.append(made)
            if made.points >= -bench.dials.budget:
                break
    return found


def _weights(bench: Bench, ref: Ref, workspace: Workspace) -> Classifier:
    run = str(bench.original.manifest.provenance.get("run"))
    folder = workspace.runs / run
    if not (folder / "checkpoints").is_dir():
        raise HoldfastError(
            f"{ref} cannot be pruned: the weights that its training wrote are gone, with its run {run}",
            hint="bring the run's folder back, or use --int8, which needs the model alone",
        )
    return load_best(folder, bench.config, bench.version, bench.preparation)


def _pruned(bench: Bench, network: Classifier, keep: float, path: Path) -> None:
    config, dials, version = bench.config, bench.dials, bench.version
    model = copy.deepcopy(network)
    told = prune(model, keep)
    epochs = max(1, round(dials.epochs * config.train.epochs))
    say(f"{told['after']:,} of {told['before']:,} weights are left; they learn for {epochs} epochs")
    tune(model, config, version, bench.preparation, epochs=epochs, lr=dials.lr * config.optim.lr)
    example = bench.preparation.collate([bench.preparation.decode(version.read(0))[0]] * 2)
    export_onnx(model, path, example=example, task=version.info.task)
    set_temperature(path, read_temperature(bench.original.model))
