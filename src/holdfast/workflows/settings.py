"""What every setting is, and where it came from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.config import load_config
from holdfast.core.workspace import Workspace


def config_show(
    workspace: Workspace, overrides: Sequence[str], config_file: Path | None
) -> list[dict[str, Any]]:
    """Every setting as a row of key, value and source, in the order of the schema."""
    files = [path for path in (workspace.settings, config_file) if path]
    resolved = load_config(overrides, files=files)
    rows = []
    for key, source in resolved.sources.items():
        value: Any = resolved.config
        for part in key.split("."):
            value = getattr(value, part)
        rows.append({"key": key, "value": value, "source": source})
    return rows
