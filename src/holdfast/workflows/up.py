"""The whole road in one call: from a folder of labelled files to a model that can be served."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.core.errors import GateError
from holdfast.core.progress import say
from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions
from holdfast.workflows.checking import data_check
from holdfast.workflows.datasets import data_add
from holdfast.workflows.models import models_promote
from holdfast.workflows.training import train_run

_MANY = 20_000
"""Of more samples than this, `up` does not look for near duplicates: they would all be decoded once more."""


def up(
    source: str | Path,
    workspace: Workspace,
    *,
    name: str | None = None,
    options: SourceOptions | None = None,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Ingest, check, train, evaluate, export, register and, if the gate lets it, promote.

    Every step that was done before is found and not done again: the same content is the same version, a
    training that was cut short goes on, and one of the same key that has ended is not repeated.
    A model that the gate refuses stays registered, and the result says why.

    Args:
        source: a folder, a table, a zip or a tar of labelled samples.
        name: of the dataset and the model; made from the source's name by default.
        options: what settles an ambiguous source.
        overrides: settings in Hydra's grammar.
        config_file: a YAML file of settings.
        force: promote even where the gate says no; the audit log records it.
    """
    began = time.monotonic()
    added = data_add(source, workspace, name=name, options=options)
    say(f"{added['ref']}: {added['samples']} samples, {added['quarantined']} quarantined")
    findings = data_check(added["ref"], workspace, quick=added["samples"] > _MANY)["findings"]
    trained = train_run(added["ref"], workspace, overrides=overrides, config_file=config_file, repeat=False)
    gate = _promote(trained["model"], workspace, force, overrides, config_file)
    return {
        **trained,
        "notes": added["notes"],
        "findings": findings,
        "gate": gate,
        "seconds": time.monotonic() - began,
    }


def _promote(
    model: str, workspace: Workspace, force: bool, overrides: Sequence[str], config_file: Path | None
) -> dict[str, Any]:
    try:
        promotion = models_promote(
            model, workspace, force=force, overrides=overrides, config_file=config_file
        )
    except GateError as error:
        return {
            "alias": "champion",
            "promoted": False,
            "forced": False,
            "reasons": error.message.splitlines(),
        }
    return {
        "alias": "champion",
        "promoted": True,
        "forced": promotion["forced"],
        "reasons": promotion["reasons"],
    }
