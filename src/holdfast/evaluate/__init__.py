"""The numbers, their intervals, and what they are compared with."""

from typing import TYPE_CHECKING

from holdfast.core.lazy_names import lazy_names
from holdfast.evaluate.parity import parity  # called like its module, so it cannot be lazy

if TYPE_CHECKING:
    from holdfast.evaluate.baselines import majority, simple
    from holdfast.evaluate.bootstrap import intervals, paired_differences
    from holdfast.evaluate.calibration import apply_temperature, calibration_error, fit_temperature
    from holdfast.evaluate.conformal import Conformal, fit_conformal, measure_conformal
    from holdfast.evaluate.decision import labels_of
    from holdfast.evaluate.metrics import HEADLINE, measure
    from holdfast.evaluate.report import beats, evaluate
    from holdfast.evaluate.thresholds import choose_thresholds
__all__ = [
    "HEADLINE",
    "Conformal",
    "apply_temperature",
    "beats",
    "calibration_error",
    "choose_thresholds",
    "evaluate",
    "fit_conformal",
    "fit_temperature",
    "intervals",
    "labels_of",
    "majority",
    "measure",
    "measure_conformal",
    "paired_differences",
    "parity",
    "simple",
]

# A server needs one of these modules, and should start in a moment.
__getattr__ = lazy_names(
    __name__,
    {
        "baselines": ("majority", "simple"),
        "bootstrap": ("intervals", "paired_differences"),
        "calibration": ("apply_temperature", "calibration_error", "fit_temperature"),
        "conformal": ("Conformal", "fit_conformal", "measure_conformal"),
        "decision": ("labels_of",),
        "metrics": ("HEADLINE", "measure"),
        "report": ("beats", "evaluate"),
        "thresholds": ("choose_thresholds",),
    },
)
