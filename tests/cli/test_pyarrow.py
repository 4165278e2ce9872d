"""pandas, and the documentation of pyarrow, stay where they are until somebody asks for them."""

import os
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
from holdfast.cli.pyarrow import leave_pandas
leave_pandas()
import pandas
table = pyarrow.Table.from_pandas(pandas.DataFrame({"b": [2]}))
print(pyarrow.array(["a"]).to_pandas()[0], table.num_rows)
"""
_LOADED = """
import gc
from holdfast.cli.pyarrow import load_pyarrow
load_pyarrow()
load_pyarrow()
import pyarrow
from pyarrow import compute
order = compute.sort_indices([3, 1, 2], sort_keys=[("", "descending")])
total = compute.sum(pyarrow.array([1, 3]), options=compute.ScalarAggregateOptions(min_count=3))
from pyarrow.vendored.docscrape import NumpyDocString
read = NumpyDocString("Parameters\\n----------\\na : int\\n")["Parameters"]
print(order.to_pylist(), total, compute.sum.__doc__.split(".")[0], read[0].name, gc.isenabled())
"""


def test_commands_about_data_load_no_more_than_they_need(tmp_path: Path) -> None:
    source, home = str(write_texts(tmp_path / "texts.csv", per_class=20)), str(tmp_path / "home")
    modules = ["pandas", "holdfast.config.schema", "pydantic"]

    for words in (["add", source], ["diff", "texts@1", "texts@1"]):
        assert _printed(_RUN.format(words=words, home=home, modules=modules)) == "[]"
    for words in (["show", "texts@1"], ["list"], ["tag", "texts@1", "gold"]):
        assert _printed(_RUN.format(words=words, home=home, modules=[*modules, "pyarrow", "numpy"])) == "[]"


def test_a_folder_that_has_not_changed_is_told_without_pyarrow(tmp_path: Path) -> None:
    source, home = tmp_path / "texts", str(tmp_path / "home")
    for number in range(40):
        path = source / "ab"[number % 2] / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text {number}")
        os.utime(path, (10**9, 10**9))
    add = _RUN.format(words=["add", str(source), "--json"], home=home, modules=["numpy", "pyarrow"])
    verify = add.replace("'--json'", "'--json', '--verify'")

    said = [_all_printed(code) for code in (add, add, verify, add)]

    assert [words[-1] for words in said] == ["['numpy', 'pyarrow']", "[]", "['numpy', 'pyarrow']", "[]"]
    assert said[0][:-1] == said[1][:-1] == said[2][:-1] == said[3][:-1]


def test_pandas_still_works_afterwards() -> None:
    pytest.importorskip("pandas")

    assert _printed(_AFTER) == "a 1"


def test_all_of_pyarrow_works_though_its_documentation_was_not_read() -> None:
    assert _printed(_LOADED) == "[0, 2, 1] None Compute the sum of a numeric array a True"


def _printed(code: str) -> str:
    return _all_printed(code)[-1]


def _all_printed(code: str) -> list[str]:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()
