"""Networks that learn from scratch on a CPU: a front that makes features, a body, a head for the labels."""

from holdfast.models.catalog import CATALOG, build
from holdfast.models.classifier import Classifier
from holdfast.models.fronts import MelFront

__all__ = ["CATALOG", "Classifier", "MelFront", "build"]
