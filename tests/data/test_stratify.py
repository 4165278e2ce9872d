"""Labels are spread as if one unit after the other were placed, and as evenly as elsewhere."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from holdfast.data.plan import SPLITS
from holdfast.data.splits import Columns, Earlier, Shares, assign_splits
from holdfast.data.stratify import Need, as_units, place

kinds = st.tuples(st.dictionaries(st.integers(0, 4), st.integers(1, 3), min_size=1), st.integers(0, 2))
runs = st.lists(st.tuples(kinds, st.integers(1, 60)), min_size=1, max_size=6)
Unit = tuple[dict[int, int], int]


def one_by_one(free: list[Unit], settled: list[Unit], need: Need) -> list[int]:
    """Iterative stratification as one would write it down, a unit after the other."""
    splits = range(len(need.rows))
    few = {label: sum(label in unit for unit, _ in free + settled) < 3 for label in range(5)}
    placed, owed = [-1] * len(free), np.zeros(len(splits))
    weight = sum(size for _, size in free) / sum(sum(unit.values()) for unit, _ in free)
    todo = {label for unit, _ in free for label in unit}
    while todo:
        of = {label: [n for n, (u, _) in enumerate(free) if label in u and placed[n] < 0] for label in todo}
        label = min(todo, key=lambda label: (len(of[label]), label))
        todo.remove(label)
        lean = [split for split in splits if owed[split] > -need.slack]
        for position, n in enumerate(of[label]):
            left, (unit, size) = len(of[label]) - position, free[n]
            lack = need.labels[:, label]
            wanting = [s for s in splits if not need.has[s, label] and not (few[label] and s == need.late)]
            near = [s for s in lean if lack[s] > max(0, lack.max() - unit[label])]
            best = max(
                near if near and left <= len(splits) else splits, key=lambda s: (lack[s], need.rows[s])
            )
            placed[n] = wanting[0] if len(wanting) >= left else best
            need.rows[placed[n]] -= size
            for other, count in unit.items():
                need.labels[placed[n], other] -= count
                need.has[placed[n], other] = True
        owed += weight * need.labels[:, label]
    return placed


@settings(max_examples=150, deadline=None)
@given(runs, st.integers(0, 2**32), st.integers(1, 3))
def test_units_go_where_they_would_go_one_by_one(
    runs: list[tuple[Unit, int]], seed: int, splits: int
) -> None:
    units = [(unit, sum(unit.values()) + more) for (unit, more), many in runs for _ in range(many)]
    random = np.random.default_rng(seed)
    settled = [units.pop() for _ in range(int(random.integers(len(units))))]
    units.sort(key=lambda unit: -unit[1])
    total = sum(size for _, size in units)

    def need() -> Need:
        again = np.random.default_rng(seed)
        labels, rows = again.integers(-3, 40, (splits, 5)), again.integers(-3, 90, splits)  # often equal
        has = again.random((splits, 5)) < 0.3
        return Need(labels.astype(float), rows.astype(float), has, splits - 1, max(1, 0.01 * total))

    pairs = [(n, label) for n, (u, _) in enumerate(units + settled) for label in u for _ in range(u[label])]
    table = as_units(
        len(units),
        np.array([size for _, size in units]),
        *np.array(pairs).T,
        (len(units) + len(settled), 5),
    )

    assert place(table, need()).tolist() == one_by_one(units, settled, need())


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
