"""What can be done with datasets elsewhere: push, pull."""

from dataclasses import asdict
from typing import Any

from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data.pull import CACHE_BYTES, pull
from holdfast.data.push import push


def data_push(ref: str, where: str, workspace: Workspace) -> dict[str, Any]:
    """Copy a version to a folder, `s3://bucket/prefix` or `gs://bucket/prefix`; only what is missing there.

    Raises:
        RefError: if there is no such version.
        DataError: if it cannot be done; the hint says what to do.
    """
    return asdict(push(workspace.datasets, parse_ref(ref), where))


def data_pull(
    ref: str, where: str, workspace: Workspace, *, lazy: bool = False, cache_bytes: int = CACHE_BYTES
) -> dict[str, Any]:
    """Copy a version from there into the workspace; only what is missing here.

    Args:
        ref: a dataset, for its latest version there, or a version such as `birds@3`.
        where: a folder, `s3://bucket/prefix` or `gs://bucket/prefix`.
        workspace: where to put it.
        lazy: copy the manifest only; samples are read from there when they are asked for.
        cache_bytes: what a lazy version may keep on this disk.

    Raises:
        RefError: if there is no such version there.
        DataError: if it cannot be done; the hint says what to do.
    """
    return asdict(pull(workspace.datasets, parse_ref(ref), where, lazy=lazy, cache_bytes=cache_bytes))
