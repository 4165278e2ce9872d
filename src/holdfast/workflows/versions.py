"""What can be done with versions of datasets: log, diff, tag, checkout, export, remove, gc, verify.

Each loads its own part of the store only when it is called: starting is most of what a command takes.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.core.errors import HoldfastError, RefError
from holdfast.core.files import room_told, write_text
from holdfast.core.refs import Ref, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data.info import find_version, read_info, versions_of
from holdfast.data.tags import history, read_tags, remove_tag, set_tag

if TYPE_CHECKING:
    from holdfast.data.export import Format


def data_log(name: str, workspace: Workspace, *, last: int | None = None) -> dict[str, Any]:
    """The versions of a dataset, newest first, with what each changed; and all that befell its tags.

    Args:
        last: only so many versions.

    Raises:
        RefError: if there is no such dataset.
    """
    ref = _whole(name)
    find_version(workspace.datasets, ref)
    home = workspace.datasets / ref.name
    tags: dict[int, list[str]] = {}
    for tag, number in read_tags(home).items():
        tags.setdefault(number, []).append(tag)
    numbers = versions_of(workspace.datasets, ref.name)
    rows = [
        {
            **_facts(workspace, ref.name, number),
            "tags": tags.get(number, []),
            "changes": _changes(workspace, ref.name, *numbers[place - 1 : place + 1]) if place else None,
        }
        for place, number in reversed(list(enumerate(numbers)))
        if last is None or place >= len(numbers) - last
    ]
    return {"name": ref.name, "versions": rows, "events": history(home).lines()}


def data_diff(one: str, other: str, workspace: Workspace, *, html: Path | None = None) -> dict[str, Any]:
    """What changed from one version to another: counts, names, and each label and split.

    Args:
        one: a reference to the first version, such as `birds@1`.
        other: a reference to the second one, such as `birds` or `birds@gold`.
        html: write a page there that shows the samples too.

    Raises:
        RefError: if one of them is not there.
        DataError: if one of them is damaged.
    """
    from holdfast.data.diff import diff

    found = diff(workspace.datasets, parse_ref(one), parse_ref(other))
    result = found.to_json()
    if html is not None:
        from holdfast.workflows.diff_page import diff_page

        write_text(html, diff_page(found, result, workspace.datasets))
        result["html"] = str(html)
    return result


def data_tag(
    ref: str, tag: str, workspace: Workspace, *, force: bool = False, delete: bool = False
) -> dict[str, Any]:
    """Give a version a tag, by which every command finds it: `birds@gold`.

    Args:
        ref: the version, such as `birds@3`; the latest by default.
        tag: a name that begins with a letter.
        force: move a tag that points to another version.
        delete: take the tag away instead.

    Raises:
        RefError: if there is no such version, or the tag is taken.
    """
    parsed = parse_ref(ref)
    number = find_version(workspace.datasets, parsed)
    home = workspace.datasets / parsed.name
    if delete:
        return asdict(remove_tag(home, tag))
    info = read_info(workspace.datasets, parsed.name, number)
    return asdict(set_tag(home, tag, number, fingerprint=info.fingerprint, force=force))


def _whole(name: str) -> Ref:
    ref = parse_ref(name)
    if ref != Ref(ref.name):
        raise RefError(
            f"{name!r} names one version, but this is about a whole dataset", hint=f"write {ref.name}"
        )
    return ref


def _facts(workspace: Workspace, name: str, number: int) -> dict[str, Any]:
    kept = ("created", "samples", "quarantined", "fingerprint", "source")
    try:
        info = asdict(read_info(workspace.datasets, name, number))
    except HoldfastError as error:
        return {"version": number, **dict.fromkeys(kept), "error": error.message}
    return {"version": number, **{key: info[key] for key in kept}}


def _changes(workspace: Workspace, name: str, before: int, after: int) -> dict[str, int] | None:
    from holdfast.data.diff import diff

    try:
        return diff(workspace.datasets, Ref(name, version=before), Ref(name, version=after)).counts()
    except HoldfastError:  # one of them is damaged, as its own row says
        return None


def data_checkout(ref: str, folder: Path, workspace: Workspace, *, force: bool = False) -> dict[str, Any]:
    """Make a folder hold the files of a version, byte for byte under their names, with `samples.csv` beside.

    Args:
        ref: the version, such as `birds@3`.
        folder: made if it is not there; what is right in it already is not written again.
        force: overwrite other files that are in the way.

    Raises:
        DataError: if other files are in the way, a name leads out of the folder, or a sample is damaged.
    """
    from holdfast.data import open_version
    from holdfast.data.checkout import checkout

    with open_version(workspace.datasets, parse_ref(ref)) as version, room_told(folder):
        return asdict(checkout(version, folder, force=force))


def data_export(
    ref: str, to: Path, workspace: Workspace, *, kind: "Format | None" = None, force: bool = False
) -> dict[str, Any]:
    """Write a version as a folder, a tar, a zip, a folder of WebDataset tars, or one Parquet file.

    Args:
        ref: the version, such as `birds@3`.
        to: where it goes; it appears when it is whole.
        kind: the form; by default what the suffix of `to` says.
        force: replace what is there.

    Raises:
        DataError: if something is there, or the form is not clear.
    """
    from holdfast.data import open_version
    from holdfast.data.export import export

    with open_version(workspace.datasets, parse_ref(ref)) as version:
        chosen = export(version, to, kind=kind, force=force)
        info = version.info
        return {
            "ref": f"{info.name}@{info.version}",
            "to": str(to),
            "format": chosen,
            "samples": info.samples,
        }


def data_remove(ref: str, workspace: Workspace, *, force: bool = False) -> dict[str, Any]:
    """Take a version out of its dataset; `data_gc` frees its bytes then.

    Args:
        ref: the version, such as `birds@3`.
        force: remove it although a tag, a run or a model refers to it.

    Raises:
        RefError: if there is no such version.
        DataError: if something refers to it.
    """
    from holdfast.data.removal import remove_version

    parsed = parse_ref(ref)
    full = f"{parsed.name}@{find_version(workspace.datasets, parsed)}"
    number = remove_version(workspace.datasets, parsed, used_by=_users(full, workspace), force=force)
    return {"ref": f"{parsed.name}@{number}", "left": versions_of(workspace.datasets, parsed.name)}


def data_gc(name: str, workspace: Workspace) -> dict[str, Any]:
    """Free the bytes of a dataset that no version refers to. May be killed at any moment, and run again.

    Raises:
        RefError: if there is no such dataset.
        DataError: if a version is damaged.
    """
    from holdfast.data.gc import collect

    return asdict(collect(workspace.datasets, _whole(name).name))


def data_verify(ref: str, workspace: Workspace) -> dict[str, Any]:
    """Read every byte of a version, and the log and tags of its dataset: all that is not as it was written.

    Raises:
        RefError: if there is no such version.
        DataError: if its own files are damaged.
    """
    from holdfast.data import open_version
    from holdfast.data.verify import how_to_mend, verify

    with open_version(workspace.datasets, parse_ref(ref)) as version:
        faults = verify(version)
        hint, info = how_to_mend(version, faults), version.info
    return {
        "ref": f"{info.name}@{info.version}",
        "fingerprint": info.fingerprint,
        "samples": info.samples,
        "ok": not faults,
        "faults": [asdict(fault) for fault in faults],
        "hint": hint,
    }


def _users(ref: str, workspace: Workspace) -> list[str]:
    """The runs and models that refer to a version, in words."""
    from holdfast.registry import Registry  # takes longer to load than most commands take
    from holdfast.tracking import list_runs

    runs = [f"run {run.id}" for run in list_runs(workspace.runs) if run.dataset == ref]
    models = [f"model {row['ref']}" for row in Registry(workspace.models).list() if row["dataset"] == ref]
    return [*models, *runs]
