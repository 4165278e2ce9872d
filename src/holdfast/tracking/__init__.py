"""Runs: folders of plain files that can be read while they grow."""

from holdfast.tracking.environment import environment
from holdfast.tracking.record import RunInfo, RunRecord, list_runs, read_run
from holdfast.tracking.run import Run, open_run

__all__ = ["Run", "RunInfo", "RunRecord", "environment", "list_runs", "open_run", "read_run"]
