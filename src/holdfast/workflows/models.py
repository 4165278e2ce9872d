"""What can be done with models: list, show, promote, roll back, verify."""

from dataclasses import asdict
from typing import Any

from holdfast.config import load_config
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.registry import Registry


def models_list(workspace: Workspace) -> list[dict[str, Any]]:
    """Every version of every model, with its aliases and its headline metric."""
    return Registry(workspace.models).list()


def models_show(ref: str, workspace: Workspace) -> dict[str, Any]:
    """One model version: its manifest, aliases, evaluation and history."""
    registry, parsed = Registry(workspace.models), parse_ref(ref)
    return {**registry.show(parsed), "audit": registry.audit(parsed.name)}


def models_promote(
    ref: str, workspace: Workspace, *, alias: str = "champion", force: bool = False
) -> dict[str, Any]:
    """Move an alias to a model version, if it passes the gate.

    Raises:
        GateError: with every requirement that it did not meet. `force` moves the alias all the same,
            and the audit log says so.
    """
    files = [workspace.settings] if workspace.settings else []
    gate = load_config(files=files).config.gate
    return asdict(Registry(workspace.models).promote(parse_ref(ref), alias, gate=gate, force=force))


def models_rollback(name: str, workspace: Workspace, *, alias: str = "champion") -> dict[str, Any]:
    """Give an alias back to the version that had it before."""
    return asdict(Registry(workspace.models).rollback(name, alias))


def models_verify(ref: str, workspace: Workspace) -> dict[str, Any]:
    """Whether a model's files and the audit log are as they were written; every problem by name."""
    problems = Registry(workspace.models).verify(parse_ref(ref))
    return {"model": ref, "ok": not problems, "problems": problems}
