"""What earlier versions say of samples, and what is counted of the rows of a new one."""

from pathlib import Path

import pyarrow
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.refs import parse_ref
from holdfast.data import open_version
from holdfast.data.records import Store, count_groups, earlier_splits
from holdfast.testing.toys import write_texts
from tests.data.test_intake import add


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "a", "x", "y"])), min_size=1))
def test_groups_are_counted_as_arrow_counts_them(pairs: list[tuple[str, str]]) -> None:
    pairs = sorted(pairs)
    digests = [digest for digest, _ in pairs]
    groups = [group or digest for digest, group in pairs]  # without a group a sample goes by its digest
    table = pyarrow.table({"digest": digests, "group": groups})

    assert count_groups(table) == pc.count_distinct(table.column("group")).as_py()


def test_of_versions_that_differ_the_latest_says_the_split() -> None:
    def version(**splits: str) -> pyarrow.Table:
        names = list(splits)
        return pyarrow.table({"digest": names, "group": [f"g{n}" for n in names], "split": splits.values()})

    earlier = earlier_splits([version(a="train", b="test"), version(c="valid", a="test")])

    assert sorted(earlier.digests.to_pylist(), key=str) == [
        {"digest": "a", "split": "test"},
        {"digest": "b", "split": "test"},
        {"digest": "c", "split": "valid"},
    ]
    assert {row["group"]: row["split"] for row in earlier.groups.to_pylist()}["ga"] == "test"


def test_a_version_has_the_same_samples_only_if_each_column_is_the_same(tmp_path: Path) -> None:
    add(write_texts(tmp_path / "t.csv", per_class=5), tmp_path / "root")
    store = Store(tmp_path / "root", "toys")
    with open_version(tmp_path / "root", parse_ref("toys")) as version:
        table = version.table.combine_chunks()

    assert store.has(1, table)
    for column in table.column_names:
        at = table.column_names.index(column)
        other = table.set_column(at, column, table.column(column).take(list(range(len(table)))[::-1]))
        assert store.has(1, other) == other.equals(table)
    assert not store.has(1, table.drop_columns(["chars"]))
