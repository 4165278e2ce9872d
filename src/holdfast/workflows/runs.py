"""What can be done with runs: list, show."""

from dataclasses import asdict
from typing import Any

from holdfast.core.workspace import Workspace
from holdfast.tracking import list_runs, read_run


def runs_list(workspace: Workspace) -> list[dict[str, Any]]:
    """Every run, newest first."""
    return [asdict(info) for info in list_runs(workspace.runs)]


def runs_show(run: str, workspace: Workspace) -> dict[str, Any]:
    """One run: its facts and the metrics of every epoch."""
    found = read_run(workspace.runs, run)
    return {**asdict(found.info), "folder": str(found.folder), "history": found.metrics()}
