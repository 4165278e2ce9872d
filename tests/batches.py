"""Predicts batches, and reads what came out."""

from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from holdfast.core.files import digest_bytes
from holdfast.core.workspace import Workspace
from holdfast.workflows.batch import predict_batch

LABELS = ("disc", "square")


def run(lab: Path, out: Path, *sources: str, bundle: str = "toy", **options: Any) -> dict[str, Any]:
    given = sources or (str(lab / "shapes"),)
    return predict_batch(str(lab / bundle), Workspace(lab / "home"), given, out, **options)


def parts(out: Path) -> dict[str, str]:
    return {path.name: digest_bytes(path.read_bytes()) for path in sorted(out.glob("part-*.parquet"))}


def rows(out: Path) -> list[dict[str, Any]]:
    table: pyarrow.Table = parquet.read_table(out)  # the folder, as others read it
    return table.to_pylist()
