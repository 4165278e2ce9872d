"""Every byte is read, and what is damaged has a name."""

from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from holdfast.core.refs import parse_ref
from holdfast.data import ingest, open_version
from holdfast.data.verify import verify
from holdfast.testing.toys import write_images


@pytest.fixture
def root(tmp_path: Path) -> Path:
    ingest(write_images(tmp_path / "in", per_class=4), tmp_path / "root", "toys", probe=lambda m, d: {})
    return tmp_path / "root"


def shard(root: Path) -> Path:
    (path,) = (root / "toys/shards").iterdir()
    return path


def flip_sample(root: Path) -> None:
    offset = parquet.read_table(root / "toys/versions/1/samples.parquet").column("offset")[2].as_py()
    data = bytearray(shard(root).read_bytes())
    data[offset] ^= 1
    shard(root).write_bytes(data)


def flip_padding(root: Path) -> None:
    data = bytearray(shard(root).read_bytes())
    data[-1] ^= 1
    shard(root).write_bytes(data)


def relabel(root: Path) -> None:
    path = root / "toys/versions/1/samples.parquet"
    table = parquet.read_table(path)
    labels = pyarrow.array([["square"]] * len(table))
    parquet.write_table(table.set_column(table.column_names.index("labels"), "labels", labels), path)


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        (lambda root: None, []),
        (flip_sample, ["shard", "sample"]),
        (flip_padding, ["shard"]),
        (relabel, ["fingerprint"]),
        (lambda root: shard(root).unlink(), ["shard", *["sample"] * 8]),
        (lambda root: shard(root).write_bytes(b""), ["shard", *["sample"] * 8]),
        (lambda root: shard(root).write_bytes(shard(root).read_bytes()[:-1100]), ["shard", "sample"]),
    ],
)
def test_each_damage_is_named(root: Path, harm: Callable[[Path], None], kinds: list[str]) -> None:
    harm(root)

    with open_version(root, parse_ref("toys")) as version:
        found = verify(version)
        names = list(version.names)

    assert [fault.kind for fault in found] == kinds
    if harm is flip_sample:
        assert found[1].name == names[2]
        assert found[0].name == str(shard(root))
