"""What can be done with models: list, show, promote, roll back, verify."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from holdfast.bundle import check_signature, open_bundle, sign_bundle
from holdfast.bundle.manifest import MANIFEST, SIGNATURE
from holdfast.core.errors import BundleError, RefError
from holdfast.core.refs import Ref, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.registry import Registry
from holdfast.workflows.serving import find_bundle
from holdfast.workflows.settings import settings_for


def models_list(workspace: Workspace) -> list[dict[str, Any]]:
    """Every version of every model, with its aliases and its headline metric."""
    return Registry(workspace.models).list()


def models_show(ref: str, workspace: Workspace) -> dict[str, Any]:
    """One model version: its manifest, aliases, evaluation and history."""
    registry, parsed = Registry(workspace.models), parse_ref(ref)
    return {**registry.show(parsed), "audit": registry.audit(parsed.name)}


def models_promote(
    ref: str,
    workspace: Workspace,
    *,
    alias: str = "champion",
    force: bool = False,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
) -> dict[str, Any]:
    """Move an alias to a model version, if it passes the gate.

    Args:
        ref: a reference, such as `birds@3`.
        alias: what to move.
        force: move it even where the gate says no.
        overrides: settings, such as `gate.max_difference=1e-4`.
        config_file: a YAML file of settings.

    Raises:
        GateError: with every requirement that it did not meet. `force` moves the alias all the same,
            and the audit log says so.
    """
    registry, parsed = Registry(workspace.models), parse_ref(ref)
    modality = open_bundle(registry.path(parsed)).manifest.modality
    gate = settings_for(workspace, overrides, config_file, recipe=modality).config.gate
    return asdict(registry.promote(parsed, alias, gate=gate, force=force))


def models_rollback(name: str, workspace: Workspace, *, alias: str = "champion") -> dict[str, Any]:
    """Give an alias back to the version that had it before.

    Raises:
        RefError: if there is no such alias, or nothing to go back to.
    """
    parsed = parse_ref(name)
    if parsed != Ref(parsed.name):
        raise RefError(
            f"{name!r} names one version, but an alias is rolled back",
            hint=f"write `holdfast models rollback {parsed.name} {parsed.alias or alias}`",
        )
    return asdict(Registry(workspace.models).rollback(name, alias))


def models_sign(
    ref: str, workspace: Workspace, *, key: Path, password: bytes | None = None
) -> dict[str, Any]:
    """Vouch for a model with a private key, in the format of OpenSSF model signing.

    Args:
        ref: a reference, such as `birds@3`, or the path of a bundle's folder.
        key: an EC key in a PEM file.
        password: of the key, if it has one.

    Raises:
        BundleError: if the model is damaged.
        ConfigError: if the key cannot be used.
    """
    name, bundle = find_bundle(ref, workspace)
    signer = sign_bundle(bundle, key, password)
    return {"model": name, "signed_by": signer, "file": str(bundle.folder / SIGNATURE)}


def models_verify(ref: str, workspace: Workspace, *, keys: Sequence[Path] = ()) -> dict[str, Any]:
    """Whether a model's files and the audit log are as they were written; every problem by name.

    Args:
        ref: a reference, such as `birds@3`, or the path of a bundle's folder.
        keys: public keys, one of which must have signed the model; with none, no signature is asked for.
    """
    problems = [" ".join(problem.split()) for problem in _problems(ref, workspace)]  # each one line
    signer = None
    if keys and not problems:
        try:
            signer = check_signature(find_bundle(ref, workspace)[1], keys)
        except BundleError as error:
            problems = [error.message]
    return {"model": ref, "ok": not problems, "problems": problems, "signed_by": signer}


def _problems(ref: str, workspace: Workspace) -> list[str]:
    folder = Path(ref or "''")
    if not (folder / MANIFEST).is_file():
        return Registry(workspace.models).verify(parse_ref(ref))
    try:
        open_bundle(folder)
    except BundleError as error:
        return [error.message]
    return []
