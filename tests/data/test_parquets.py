"""One table in one Parquet file."""

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from holdfast.data.parquets import read_parquet


@pytest.fixture
def file(tmp_path: Path) -> Path:
    table = pyarrow.table({"name": ["a", "b"], "labels": [["x"], ["x", "y"]], "place": [1, 2]})
    parquet.write_table(table.replace_schema_metadata({"by": "test"}), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_reads_what_the_large_engine_reads(file: Path) -> None:
    assert read_parquet(file).equals(parquet.read_table(file), check_metadata=True)


def test_columns_come_as_they_were_asked_for(file: Path) -> None:
    columns = ["place", "labels"]

    read = read_parquet(file, columns, read_dictionary=["name"])

    assert read.equals(parquet.read_table(file, columns=columns))


def test_a_column_that_is_missing_is_an_error(file: Path) -> None:
    with pytest.raises(pyarrow.ArrowInvalid, match="no column 'color'"):
        read_parquet(file, ["name", "color"])


def test_a_file_cut_short_is_an_error(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])

    with pytest.raises(pyarrow.ArrowException):
        read_parquet(file)
