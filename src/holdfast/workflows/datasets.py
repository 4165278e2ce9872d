"""What can be done with datasets: add, list, show."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.core.refs import Ref, check_name, name_from, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data.info import (
    VersionInfo,
    find_version,
    list_datasets,
    read_counts,
    read_info,
    unreadable_datasets,
)
from holdfast.data.tags import read_tags

if TYPE_CHECKING:
    from holdfast.data import SourceOptions


def data_add(
    source: str | Path,
    workspace: Workspace,
    *,
    name: str | None = None,
    options: "SourceOptions | None" = None,
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
    from holdfast.data import ingest
    from holdfast.modality import probe

    info = ingest(
        source,
        workspace.datasets,
        _name(source, name),
        options=options,
        probe=probe,
        verify=verify,
        apart=_apart(workspace),
    )
    return _added(info)


def data_unchanged(
    source: str | Path,
    workspace: Workspace,
    *,
    name: str | None = None,
    options: "SourceOptions | None" = None,
) -> dict[str, Any] | None:
    """What `data_add` would end with, where it is known without a look at what the files hold; else None.

    It is known of a folder that was taken in before, when neither a file in it nor the dataset was touched
    since. For commands: this loads neither pyarrow nor numpy.
    """
    from holdfast.data.plan import SourceOptions
    from holdfast.data.stamps import Stamp

    if "://" in str(source):
        return None
    stamp = Stamp(
        workspace.datasets, _name(source, name), source, options or SourceOptions(), _apart(workspace)
    )
    info = stamp.answer()
    return _added(info) if info else None


def _name(source: str | Path, name: str | None) -> str:
    return check_name(name) if name else name_from(Path(source).resolve().name.split(".")[0])


def _apart(workspace: Workspace) -> tuple[Path, ...]:
    return (workspace.home, workspace.runs, workspace.models, workspace.sweeps)


def _added(info: VersionInfo) -> dict[str, Any]:
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
    root, wanted = workspace.datasets, parse_ref(ref)
    number = find_version(root, wanted)
    info = read_info(root, wanted.name, number)
    columns = read_counts(root, wanted.name, number) or _counts(root, wanted)
    counts = {
        label: {split: column[place] for split, column in columns.items()}
        for place, label in enumerate(info.labels)
    }
    quarantine = _quarantine(root, wanted) if info.quarantined else []
    tags = [tag for tag, at in read_tags(root / wanted.name).items() if at == number]
    return {**asdict(info), "tags": tags, "counts": counts, "quarantine": quarantine}


def _counts(root: Path, ref: Ref) -> dict[str, list[int]]:
    """As `read_counts`, from the samples themselves."""
    from holdfast.data.version import label_counts, open_version

    with open_version(root, ref) as version:
        return label_counts(version.table, version.info.labels)


def _quarantine(root: Path, ref: Ref) -> list[dict[str, Any]]:
    from holdfast.data.version import read_quarantine

    return [asdict(item) for item in read_quarantine(root, ref)]
