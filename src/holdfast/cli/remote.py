"""The commands that copy datasets to a remote and from it."""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import show
from holdfast.core.workspace import find_workspace

Remote = Annotated[
    str,
    typer.Argument(
        metavar="REMOTE", parser=opt.text_of_path, help="A folder, s3://bucket/prefix or gs://bucket/prefix."
    ),
]
_GB = 2**30


def _finite(cache_gb: float) -> float:
    if not isfinite(cache_gb):
        raise typer.BadParameter(f"{cache_gb} is no number of gigabytes")
    return cache_gb


def push(
    ref: Annotated[str, typer.Argument(help="A dataset, such as birds or birds@3.")],
    remote: Remote,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Copy a version to REMOTE: what is missing there, and the version last.

    Example: holdfast data push birds@3 s3://team-data/holdfast
    """
    from holdfast.workflows.remotes import data_push

    show(data_push(ref, remote, find_workspace(home)), as_json, lambda it: _copied(it, "pushed to", "at"))


def pull(
    ref: Annotated[str, typer.Argument(help="A dataset, such as birds or birds@3.")],
    remote: Remote,
    lazy: Annotated[
        bool, typer.Option("--lazy", help="Only the manifest; read samples when needed.")
    ] = False,
    cache_gb: Annotated[
        float, typer.Option("--cache-gb", min=0, callback=_finite, help="What a lazy one may keep here.")
    ] = 8.0,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Copy a version from REMOTE into the workspace: what is missing here.

    Example: holdfast data pull birds s3://team-data/holdfast --lazy
    """
    from holdfast.workflows.remotes import data_pull

    result = data_pull(ref, remote, find_workspace(home), lazy=lazy, cache_bytes=int(cache_gb * _GB))
    show(result, as_json, lambda it: _copied(it, "pulled from", "here, from"))


def _copied(it: Mapping[str, Any], new: str, old: str) -> str:
    what = (
        f"{it['ref']} {new} {it['remote']}" if it["new"] else f"{it['ref']} was already {old} {it['remote']}"
    )
    return (
        f"{what}: {it['copied']:,} of {it['shards']:,} shards copied ({it['copied_bytes'] / 2**20:,.1f} MB)"
    )
