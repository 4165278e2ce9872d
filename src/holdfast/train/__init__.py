"""Training: from a dataset version to the weights that did best on its validation split."""

from holdfast.train.checkpoint import stored_state
from holdfast.train.device import pick_device
from holdfast.train.difference import weights_difference
from holdfast.train.follower import follow
from holdfast.train.launch import outside
from holdfast.train.learner import load_best
from holdfast.train.loop import Fit, fit
from holdfast.train.tuning import tune

__all__ = [
    "Fit",
    "fit",
    "follow",
    "load_best",
    "outside",
    "pick_device",
    "stored_state",
    "tune",
    "weights_difference",
]
