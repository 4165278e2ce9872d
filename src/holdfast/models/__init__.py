"""Networks that learn from scratch on a CPU: a front that makes features, a body, a head for the labels."""

from holdfast.models.catalog import CATALOG, build
from holdfast.models.classifier import Classifier

__all__ = ["CATALOG", "Classifier", "build"]
