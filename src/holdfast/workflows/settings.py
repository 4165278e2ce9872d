"""What every setting is, and where it came from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.config import Resolved, load_config
from holdfast.core.workspace import Workspace


def settings_for(
    workspace: Workspace,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
    *,
    recipe: str | None = None,
) -> Resolved:
    """The settings that hold in a workspace: its own file, then the given file, then the overrides.

    Args:
        recipe: the preset to begin from, unless a file or an override names another; often a modality.

    Raises:
        ConfigError: with every problem at once.
    """
    files = [path for path in (workspace.settings, config_file) if path]
    return load_config(overrides, recipe=recipe, files=files)


def config_show(
    workspace: Workspace, overrides: Sequence[str], config_file: Path | None
) -> list[dict[str, Any]]:
    """Every setting as a row of key, value and source, in the order of the schema."""
    resolved = settings_for(workspace, overrides, config_file)
    shown = resolved.config.model_dump()  # as it is stored: without passwords
    rows = []
    for key, source in resolved.sources.items():
        value: Any = shown
        for part in key.split("."):
            value = value[part]
        rows.append({"key": key, "value": value, "source": source})
    return rows
