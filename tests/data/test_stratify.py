"""Labels are spread as if one unit after the other were placed, and as evenly as elsewhere."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from holdfast.data.plan import SPLITS
from holdfast.data.splits import Columns, Earlier, Shares, assign_splits
from holdfast.data.stratify import Need, as_units, place

amounts = st.floats(-5, 60, allow_nan=False).map(lambda value: round(value, 1))
unit_sizes = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(1, 60)), max_size=8)


@settings(max_examples=200)
@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=3), unit_sizes)
def test_many_equal_units_at_once_go_where_they_would_go_one_by_one(
    lacks: list[tuple[float, float]], runs: list[tuple[int, int, int]]
) -> None:
    each = sorted(((c, c + more) for c, more, many in runs for _ in range(many)), key=lambda unit: -unit[1])
    counts, sizes = np.array([c for c, _ in each], int), np.array([size for _, size in each], int)
    lack, rows = (np.array(values) for values in zip(*lacks, strict=True))
    units = as_units(
        len(each), sizes, np.repeat(np.arange(len(each)), counts), np.zeros(counts.sum(), int), (len(each), 1)
    )

    placed = place(units, Need(lack[:, None].copy(), rows.copy(), np.ones((len(lack), 1), bool), -1, 1e9))

    for count, size, split in zip(counts, sizes, placed.tolist(), strict=True):
        assert split == max(range(len(lack)), key=lambda s: (lack[s], rows[s]))
        lack[split] -= count
        rows[split] -= size


def test_many_labels_are_spread_as_evenly_as_iterative_stratification_elsewhere() -> None:
    random = np.random.default_rng(0)
    common = random.uniform(0.02, 0.5, size=12)
    marks = random.random((1500, 12)) < common
    marks[:, 11] = marks[:, 0] & (random.random(1500) < 0.2)  # labels that come together

    labels = [[f"{label:02}" for label in np.flatnonzero(row)] for row in marks]
    names = [f"{n}" for n in range(1500)]
    splits = assign_splits(Columns(names, labels, [""] * 1500, [""] * 1500), Earlier(), Shares(valid=0))
    ours = marks[splits == SPLITS.index("test")]
    _, chosen = next(
        MultilabelStratifiedShuffleSplit(n_splits=1, test_size=0.2, random_state=0).split(marks, marks)
    )

    def worst(test: np.ndarray) -> float:
        return float(np.abs(test.sum(axis=0) - 0.2 * marks.sum(axis=0)).max())

    assert worst(ours) <= worst(marks[chosen]) + 1
    assert abs(len(ours) - 300) <= 15  # 1 %
