"""What can be done with datasets: add, list, show."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.core.refs import check_name, name_from, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import (
    SPLITS,
    SourceOptions,
    Version,
    VersionInfo,
    ingest,
    list_datasets,
    open_version,
    read_quarantine,
    unreadable_datasets,
)
from holdfast.data.tags import read_tags
from holdfast.modality import probe


def data_add(
    source: str | Path,
    workspace: Workspace,
    *,
    name: str | None = None,
    options: SourceOptions | None = None,
    verify: bool = False,
) -> dict[str, Any]:
    """Take a source in as a version of a dataset; the same content again is the same version.

    Args:
        source: a folder, a table, a zip or a tar.
        name: of the dataset; made from the source's name by default.
        options: what settles an ambiguous source, and the shares of the splits.
        verify: read also files that have not changed since they were last read, and all that is stored.

    Raises:
        DataError: if the source is ambiguous, empty, or holds nothing that can be decoded.
    """
    name = check_name(name) if name else name_from(Path(source).resolve().name.split(".")[0])
    info = ingest(
        source, workspace.datasets, name, options=options or SourceOptions(), probe=probe, verify=verify
    )
    return {"ref": f"{info.name}@{info.version}", **asdict(info)}


def data_list(workspace: Workspace) -> list[dict[str, Any]]:
    """The latest version of every dataset that can be read; one that cannot is there with its `error`."""
    rows = [{**asdict(info), "error": None} for info in list_datasets(workspace.datasets)]
    unknown = {field.name: None for field in fields(VersionInfo)}
    for name, problems in unreadable_datasets(workspace.datasets).items():
        rows.append({**unknown, "name": name, "error": "; ".join(problems)})
    return sorted(rows, key=lambda row: str(row["name"]))


def data_show(ref: str, workspace: Workspace) -> dict[str, Any]:
    """All that is known of one version: its facts, its samples per label and split, its quarantine."""
    with open_version(workspace.datasets, parse_ref(ref)) as version:
        per_split = {split: _per_label(version, version.indices(split)) for split in SPLITS}
        counts = {
            label: {split: per_split[split][index] for split in SPLITS}
            for index, label in enumerate(version.info.labels)
        }
        quarantine = [asdict(item) for item in read_quarantine(workspace.datasets, parse_ref(ref))]
        number = version.info.version
        tags = [tag for tag, at in read_tags(workspace.datasets / version.info.name).items() if at == number]
        return {**asdict(version.info), "tags": tags, "counts": counts, "quarantine": quarantine}


def _per_label(version: Version, rows: np.ndarray) -> list[int]:
    """How many of these samples have each label."""
    targets = version.targets[rows]
    if version.info.task == "multi":
        return [int(count) for count in targets.sum(axis=0, dtype=np.int64)]
    return [int(count) for count in np.bincount(targets, minlength=len(version.info.labels))]
