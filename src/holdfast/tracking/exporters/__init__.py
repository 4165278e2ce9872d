"""Exporters: what a run logs, shown in TensorBoard, MLflow or W&B. The run's folder stays the truth.

Each tool has a process of its own that follows the run's files. The training never waits for it, and
can neither be slowed by what it does nor be stopped by how it fails.
"""

from holdfast.tracking.exporters.helpers import Helpers, Settings, check_tools
from holdfast.tracking.exporters.sent import Sent, read_sent

__all__ = ["Helpers", "Sent", "Settings", "check_tools", "read_sent"]
