"""Find a learning rate or a batch size for a dataset version, without a run."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from holdfast.config import Config
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, open_version
from holdfast.modality import Preparation, prepare
from holdfast.train.finder import find_batch, find_rate
from holdfast.workflows.training import config_for, tokenizer_for


def find_lr(
    dataset: str,
    workspace: Workspace,
    *,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
    steps: int = 100,
) -> dict[str, Any]:
    """The loss at each learning rate, and the one to train with.

    Args:
        dataset: a reference, such as `birds` or `birds@3`.
        overrides: settings in Hydra's grammar.
        config_file: a YAML file of settings.
        steps: of training, each at a higher rate.

    Raises:
        ConfigError: if the settings are wrong, or are for another modality.
        DataError: if there is nothing to train on.
        RefError: if there is no such dataset version.
    """
    with _opened(dataset, workspace, overrides, config_file) as (config, version, preparation):
        found = find_rate(config, version, preparation, steps=steps)
        return {
            "dataset": f"{version.info.name}@{version.info.version}",
            "now": config.optim.lr,
            **asdict(found),
            "setting": f"optim.lr={found.suggested:g}" if found.suggested else None,
        }


def find_batch_size(
    dataset: str,
    workspace: Workspace,
    *,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
    largest: int = 1024,
) -> dict[str, Any]:
    """The cost of a step for each size of batch, and the smallest one that is nearly as fast as any.

    Args:
        dataset: a reference, such as `birds` or `birds@3`.
        overrides: settings in Hydra's grammar.
        config_file: a YAML file of settings.
        largest: size to stop at.

    Raises:
        ConfigError: if the settings are wrong, or are for another modality.
        DataError: if there is nothing to train on.
        HoldfastError: if not even two samples fit into memory.
        RefError: if there is no such dataset version.
    """
    with _opened(dataset, workspace, overrides, config_file) as (config, version, preparation):
        costs, suggested = find_batch(config, version, preparation, largest=largest)
        return {
            "dataset": f"{version.info.name}@{version.info.version}",
            "now": config.train.batch,
            "costs": [asdict(cost) for cost in costs],
            "suggested": suggested,
            "setting": f"train.batch={suggested}",
        }


@contextmanager
def _opened(
    dataset: str, workspace: Workspace, overrides: Sequence[str], config_file: Path | None
) -> Iterator[tuple[Config, Version, Preparation]]:
    with (
        open_version(workspace.datasets, parse_ref(dataset)) as version,
        tempfile.TemporaryDirectory() as folder,
    ):
        config = config_for(version, workspace, overrides, config_file)
        yield config, version, prepare(config.prepare, tokenizer_for(Path(folder), config, version))
