"""Files that tables mean."""

from dataclasses import replace

import pytest

from holdfast.data.listing import list_names
from holdfast.data.lookup import Lookup

FILES = ["a/1.png", "a/x\\2.png", "a/x/3.png", "a/ 4.png", "b/x/5.png", "b/x\\5.png"]
LISTING = replace(list_names([(name, 0) for name in FILES]), links={"l": "a", "b/up": ""})


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a\\1.png", "a/1.png"),  # written on Windows
        ("a\\x\\3.png", "a/x/3.png"),
        ("a/x\\2.png", "a/x\\2.png"),  # a letter of the name
        ("x\\2.png", "a/x\\2.png"),
        ("b/x\\5.png", "b/x\\5.png"),
        ("b/x/5.png", "b/x/5.png"),
        ("a/ 4.png", "a/ 4.png"),
        (" a/1.png ", "a/1.png"),
        ("l/1.png", "a/1.png"),  # through links that were not followed
        ("b/up/a/1.png", "a/1.png"),
    ],
)
@pytest.mark.parametrize("table", ["t.csv", "a/t.csv"])
def test_what_a_value_means(value: str, name: str, table: str) -> None:
    assert Lookup(lambda: LISTING).find(value, table) == (name, "")
