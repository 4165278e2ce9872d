"""The bounds of a bundle are read as they were written."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.bundle import read_abstention, write_abstention
from holdfast.core.errors import BundleError
from holdfast.evaluate import Conformal


@pytest.mark.parametrize("task", ["single", "multi"])
def test_they_are_read_bit_for_bit(tmp_path: Path, task: str) -> None:
    high = np.array([0.9, 1 / 3]) if task == "multi" else None
    wrote = Conformal(task, 0.9, np.array([0.1, 2 / 3]), high, 40)  # type: ignore[arg-type]
    write_abstention(tmp_path / "a.json", wrote)

    read = read_abstention(tmp_path / "a.json", wrote.task, 2)

    assert (read.confidence, read.samples) == (0.9, 40)
    assert np.array_equal(read.low, wrote.low)
    assert high is None or np.array_equal(read.high, high)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"confidence": 0.9, "samples": 9, "low": [0.1], "high": null}',
        '{"confidence": 0.9, "samples": 9, "low": [0.1, 0.2], "high": [0.1, 0.2]}',
        '{"confidence": 0.9, "samples": 9, "low": "x", "high": null}',
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(BundleError, match=r"a\.json"):
        read_abstention(tmp_path / "a.json", "single", 2)
