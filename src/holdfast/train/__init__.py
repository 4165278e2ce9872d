"""Training: from a dataset version to the weights that did best on its validation split."""

from holdfast.train.device import pick_device
from holdfast.train.learner import load_best
from holdfast.train.loop import Fit, fit

__all__ = ["Fit", "fit", "load_best", "pick_device"]
