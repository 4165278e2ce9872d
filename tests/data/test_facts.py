"""What was measured belongs to the right samples, and what was not is missing."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow

from holdfast.data import signatures as sign
from holdfast.data.facts import kinds, measures


def version() -> Any:
    table = {
        "digest": ["a", "b", "a", "c"],
        "length": [10, 20, 10, 30],
        "width": [4, 6, 4, None],
        "height": [2, 3, 2, None],
        "format": ["PNG", "JPEG", "PNG", None],
        "meta.age": ["1", "2", "3", "4"],
    }
    return SimpleNamespace(table=pyarrow.table(table))


def signed(brightness: dict[str, float]) -> pyarrow.Table:
    blank = {"hash": 0, "thumb": bytes(256), "contrast": 1.0}
    return sign.rows_of({key: {**blank, "brightness": value} for key, value in brightness.items()}, "image")


def test_each_sample_has_what_was_measured_of_its_bytes() -> None:
    found = measures(version(), signed({"b": 50.0, "a": 200.0}))

    assert found.keys() == {"bytes", "pixels", "aspect", "brightness", "contrast"}
    np.testing.assert_array_equal(found["brightness"], [200.0, 50.0, 200.0, np.nan])
    np.testing.assert_array_equal(found["pixels"], [8.0, 18.0, 8.0, np.nan])
    np.testing.assert_array_equal(found["aspect"], [2.0, 2.0, 2.0, np.nan])


def test_without_signatures_there_is_what_the_ingest_measured() -> None:
    assert measures(version(), None).keys() == {"bytes", "pixels", "aspect"}
    assert measures(version(), signed({})).keys() == {"bytes", "pixels", "aspect"}


def test_kinds_are_words() -> None:
    assert kinds(version())["format"].tolist() == ["PNG", "JPEG", "PNG", "unknown"]
