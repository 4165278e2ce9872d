"""A bundle carries samples with the answers that it must give."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.bundle import read_golden, write_golden
from holdfast.core.errors import BundleError


@given(items=st.lists(st.binary(), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_what_is_written_is_read_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, items: list[bytes], seed: int
) -> None:
    path = tmp_path_factory.mktemp("golden") / "golden.json"
    rows = np.random.default_rng(seed).dirichlet([1, 1, 1], len(items))

    write_golden(path, items, rows, 0.01)
    golden = read_golden(path, 3)

    assert golden.items == items
    assert np.array_equal(golden.probabilities, rows)
    assert golden.tolerance == 0.01
    assert golden.difference(rows) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"tolerance": 1, "samples": []}',
        '{"tolerance": 1, "samples": [{"data": "YQ==", "probabilities": [1]}]}',
        '{"tolerance": 1, "samples": [{"data": "%%", "probabilities": [0.5, 0.5]}]}',
        '{"samples": [{"data": "YQ==", "probabilities": [0.5, 0.5]}]}',
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "golden.json"
    path.write_text(text)

    with pytest.raises(BundleError, match=r"golden\.json holds"):
        read_golden(path, 2)


def test_each_sample_needs_its_answer(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 rows for 1 items"):
        write_golden(tmp_path / "golden.json", [b"a"], np.ones((2, 2)), 0.01)
