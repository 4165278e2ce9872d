"""The commands that vouch for models, and check who did."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli import report
from holdfast.cli.show import show
from holdfast.core.workspace import find_workspace

_PASSWORD = "HOLDFAST_KEY_PASSWORD"  # noqa: S105 - the name of it
Model = Annotated[str, typer.Argument(help="A model, such as birds@3, or a bundle's folder.")]


def sign(
    model: Model,
    key: Annotated[Path, typer.Option(parser=opt.path, help="Your private key: EC, in a PEM file.")],
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Vouch for MODEL with a key of yours (OpenSSF model signing); `serve.trust` asks for that.

    A key that has a password takes it from HOLDFAST_KEY_PASSWORD, or asks for it.

    Example: holdfast models sign birds@champion --key key.pem
    """
    from holdfast.workflows.models import models_sign

    result = models_sign(model, find_workspace(home), key=key, password=_password(key))
    show(
        result, as_json, lambda it: f"{it['model']} is signed by the key {it['signed_by'][:12]}: {it['file']}"
    )


def verify(
    model: Model,
    key: Annotated[
        list[Path] | None,
        typer.Option(parser=opt.path, help="A public key that must have signed it; or one of several."),
    ] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Check MODEL's files and the audit log against their digests, and with --key its signature.

    Example: holdfast models verify birds@champion --key key.pub
    """
    from holdfast.workflows.models import models_verify

    result = models_verify(model, find_workspace(home), keys=key or [])
    show(result, as_json, report.verification)
    if not result["ok"]:
        raise typer.Exit(1)


def _signed(result: Mapping[str, Any]) -> str:
    return f"{result['model']} is signed by the key {result['signed_by'][:12]}: {result['file']}"


def _password(key: Path) -> bytes | None:
    """What opens a key that is locked; None for one that is not."""
    try:
        locked = b"ENCRYPTED" in key.read_bytes()
    except OSError:
        return None  # what reads the key says why
    if not locked:
        return None
    given = os.environ.get(_PASSWORD)
    if given is None and sys.stdin.isatty():
        given = typer.prompt(f"Password of {key}", hide_input=True, err=True)
    return given.encode() if given else None
