"""What a bundle knows of when not to be sure: the bounds of `evaluate.conformal`, as JSON."""

import json
from pathlib import Path

import numpy as np

from holdfast.core.errors import BundleError
from holdfast.core.files import write_json
from holdfast.core.media import Task
from holdfast.evaluate.conformal import Conformal


def write_abstention(path: Path, conformal: Conformal) -> None:
    """Write the bounds."""
    high = None if conformal.high is None else conformal.high.tolist()
    content = {"confidence": conformal.confidence, "samples": conformal.samples}
    write_json(path, {**content, "low": conformal.low.tolist(), "high": high})


def read_abstention(path: Path, task: Task, labels: int) -> Conformal:
    """Read what `write_abstention` wrote.

    Raises:
        BundleError: if it is something else, or for another number of labels.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        low = np.array(content["low"], dtype=np.float64)
        high = None if content["high"] is None else np.array(content["high"], dtype=np.float64)
        found = Conformal(task, float(content["confidence"]), low, high, int(content["samples"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} cannot be read ({error})", hint="export the bundle again") from None
    shapes = {low.shape} | ({high.shape} if high is not None else set())
    if shapes != {(labels,)} or (high is None) != (task == "single"):
        raise BundleError(
            f"{path} does not fit a model of {labels} labels ({task})", hint="export the bundle again"
        )
    return found
