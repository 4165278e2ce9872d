"""Sweeps: what is varied, which values are tried next, and what came of it. Nothing here trains."""

from holdfast.sweep.dial import Dial
from holdfast.sweep.page import write_page
from holdfast.sweep.plan import Plan, Pruning
from holdfast.sweep.space import check_corners, read_dials, with_settings
from holdfast.sweep.trials import Claim, Pruned, Trials
from holdfast.sweep.wandb import is_wandb, read_wandb

__all__ = [
    "Claim",
    "Dial",
    "Plan",
    "Pruned",
    "Pruning",
    "Trials",
    "check_corners",
    "is_wandb",
    "read_dials",
    "read_wandb",
    "with_settings",
    "write_page",
]
