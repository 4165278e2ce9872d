"""Times are read from what people write in tables."""

import numpy as np
import pytest

from holdfast.core.errors import DataError
from holdfast.data.times import read_times

NAMES = ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize(
    "values",
    [
        ["2019", "2020", "2021"],
        ["-1", "0.5", "1e3"],
        ["2019-01-01", "2019-05", "2020"],
        ["2019-01-01T23:00:00+02:00", "2019-01-01 22:00", "2019-01-01T23:00:00.5Z"],
        [" 2019-12-31 ", "2020-01-01", "2020-W30-1"],
    ],
)
def test_years_numbers_and_dates_are_ordered(values: list[str]) -> None:
    times = read_times(values, "when", NAMES)

    assert (np.diff(times).astype(float) > 0).all()


@pytest.mark.parametrize("bad", ["yesterday", "", "2020-13-01", "nan", "31.12.2019"])
def test_what_is_no_time_is_named_with_its_row(bad: str) -> None:
    with pytest.raises(
        DataError, match=r"the column 'when' holds .* is no time, in 1 rows: 'b.jpg'"
    ) as caught:
        read_times(["2020-01-01", bad, "2020-01-02"], "when", NAMES)

    assert repr(bad) in caught.value.message
    assert "--time" in (caught.value.hint or "")


@pytest.mark.parametrize("bad", ["", "nan", "inf", "2020-01-01"])
def test_what_is_no_number_among_numbers_is_wrong(bad: str) -> None:
    with pytest.raises(DataError, match=f"holds '{bad}', which is no time, in 1 rows: 'b.jpg'"):
        read_times(["3", bad, "5"], "when", NAMES)
