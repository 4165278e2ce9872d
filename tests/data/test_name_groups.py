"""Groups from names."""

from dataclasses import replace

import pyarrow
import pytest

from holdfast.core.errors import DataError
from holdfast.data.name_groups import group_by_name
from holdfast.data.plan import Plan, SourceOptions


def plan(*names: str) -> Plan:
    rows = pyarrow.table(
        {
            "name": names,
            "labels": [["x"]] * len(names),
            "group": [""] * len(names),
            "split": [""] * len(names),
        }
    )
    return Plan("audio", "single", ("x",), rows)


def grouped(pattern: str, *names: str) -> Plan:
    return group_by_name(plan(*names), SourceOptions(group_name=pattern))


def test_the_part_of_a_name_that_matches_is_its_group() -> None:
    found = grouped(r"rec\d+", "owl/rec1_01.wav", "owl/rec1_02.wav", "wren/rec12_01.wav", "wren/cut.wav")

    assert found.rows.column("group").to_pylist() == ["rec1", "rec1", "rec12", ""]
    assert found.notes == [
        r"the part of each name that 'rec\d+' matches is its group; there are 2, such as 'rec1', 'rec12'",
        r"1 names have no match for 'rec\d+', so each is a group of its own: 'wren/cut.wav'",
    ]


def test_a_part_of_the_match_may_be_the_group() -> None:
    found = grouped(r"_(?P<group>[a-z]+)\.", "1_ann.wav", "2_ann.wav", "3_bob.wav")

    assert found.rows.column("group").to_pylist() == ["ann", "ann", "bob"]


def test_a_folder_may_be_the_group_and_forms_of_unicode_are_one() -> None:
    found = grouped("[^/]+/", "ä/1.wav", "a\u0308/2.wav", "b/3.wav")

    assert found.rows.column("group").to_pylist() == ["ä/", "ä/", "b/"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("film", "matches no name; names are such as 'rec1.wav', 'rec2.wav'"),
        ("rec", "puts all in one group, 'rec'"),
        ("rec(", "is not a pattern"),
        ("(rec)", "is not a pattern"),
    ],
)
def test_a_pattern_that_groups_nothing_is_an_error(pattern: str, message: str) -> None:
    with pytest.raises(DataError) as told:
        grouped(pattern, "rec1.wav", "rec2.wav")

    assert message in told.value.message


def test_a_pattern_that_would_take_for_ever_elsewhere_does_not() -> None:
    long = "a" * 5000

    assert grouped("(?:a+)+b|c", long, "c1", "c2").rows.column("group").to_pylist() == ["", "c", "c"]


def test_without_a_pattern_nothing_changes_and_with_a_column_it_is_an_error() -> None:
    one = plan("a.wav", "b.wav")

    assert group_by_name(one, SourceOptions(group="person")) is one
    with pytest.raises(DataError, match="--group person and --group-name 'a' both say"):
        group_by_name(one, replace(SourceOptions(group="person"), group_name="a"))
