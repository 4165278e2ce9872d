"""The numbers, their intervals, and what they are compared with."""

from holdfast.evaluate.baselines import majority, simple
from holdfast.evaluate.bootstrap import intervals, paired_differences
from holdfast.evaluate.calibration import apply_temperature, calibration_error, fit_temperature
from holdfast.evaluate.conformal import Conformal, fit_conformal, measure_conformal
from holdfast.evaluate.decision import labels_of
from holdfast.evaluate.metrics import HEADLINE, measure
from holdfast.evaluate.parity import parity
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
