"""pandas stays where it is until somebody asks for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.testing.toys import write_texts

_RUN = """
import sys
from holdfast.cli import main
sys.argv = ["holdfast", "data", *{words!r}, "--home", {home!r}]
try:
    main()
finally:
    print(sorted(set({modules!r}) & set(sys.modules)))
"""
_AFTER = """
import pyarrow
from holdfast.cli.pandas import leave_pandas
leave_pandas()
import pandas
table = pyarrow.Table.from_pandas(pandas.DataFrame({"b": [2]}))
print(pyarrow.array(["a"]).to_pandas()[0], table.num_rows)
"""


def test_commands_about_data_load_no_more_than_they_need(tmp_path: Path) -> None:
    source, home = str(write_texts(tmp_path / "texts.csv", per_class=20)), str(tmp_path / "home")
    modules = ["pandas", "holdfast.config.schema", "pydantic"]

    for words in (["add", source], ["diff", "texts@1", "texts@1"]):
        assert _printed(_RUN.format(words=words, home=home, modules=modules)) == "[]"
    for words in (["show", "texts@1"], ["list"], ["tag", "texts@1", "gold"]):
        assert _printed(_RUN.format(words=words, home=home, modules=[*modules, "pyarrow", "numpy"])) == "[]"


def test_pandas_still_works_afterwards() -> None:
    pytest.importorskip("pandas")

    assert _printed(_AFTER) == "a 1"


def _printed(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()[-1]
