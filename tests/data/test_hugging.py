"""Parts of Hugging Face's datasets as files, and what lies beside them."""

import json
import shutil
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import VersionInfo, ingest, open_version
from holdfast.modality import probe
from holdfast.testing.toys import write_images
from holdfast.workflows.datasets import data_add

GOLDEN = Path(__file__).parents[1] / "golden/hugging"
CLASSES = {"_type": "ClassLabel", "names": ["cat", "dog"]}


def add(source: Path, root: Path) -> VersionInfo:
    return ingest(source, root, "it", probe=probe)


def write_part(path: Path, columns: dict[str, list[object]], features: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = json.dumps({"info": {"features": features}})
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata({"huggingface": told}), path)
    return path


def pictures(path: Path, scratch: Path) -> Path:
    files = sorted(write_images(scratch, per_class=6).rglob("*.png"))
    columns = {"image": [{"bytes": f.read_bytes(), "path": f.name} for f in files], "label": [0, 1] * 6}
    return write_part(path, columns, {"image": {"_type": "Image"}, "label": CLASSES})  # type: ignore[arg-type]


def test_one_part_is_as_a_folder_of_it(tmp_path: Path) -> None:
    part = pictures(tmp_path / "set/one.parquet", tmp_path / "shapes")

    alone, folder = add(part, tmp_path / "a"), add(part.parent, tmp_path / "b")

    assert (alone.fingerprint, alone.labels, alone.samples) == (folder.fingerprint, ("cat", "dog"), 12)
    assert add(GOLDEN / "many/data/train-00000-of-00001.parquet", tmp_path / "c").labels == ("red", "round")


def test_a_part_of_texts_has_the_names_of_its_classes_and_rows(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {"text": [f"so {n}" for n in range(20)], "label": [0, 1] * 10}
    part = write_part(tmp_path / "words.parquet", columns, {"label": CLASSES})

    info = add(part, tmp_path / "a")

    assert info.labels == ("cat", "dog")
    with open_version(tmp_path / "a", parse_ref("it")) as version:
        assert "words.parquet row 3" in set(version.names)


def test_a_plain_table_is_none(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {"text": [f"so {n}" for n in range(20)], "label": ["x", "y"] * 10}
    parquet.write_table(pyarrow.table(columns), tmp_path / "plain.parquet")

    assert add(tmp_path / "plain.parquet", tmp_path / "a").labels == ("x", "y")


@pytest.mark.parametrize(("parts", "name"), [(1, "train-0.parquet"), (2, "*.parquet")])
def test_messages_name_what_is_there(tmp_path: Path, parts: int, name: str) -> None:
    for number in range(parts):
        columns: dict[str, list[object]] = {"text": ["a"], "kind": ["b"]}
        write_part(tmp_path / f"set/train-{number}.parquet", columns, {"text": {"_type": "Value"}})

    with pytest.raises(DataError) as caught:
        add(tmp_path / "set", tmp_path / "a")

    assert name in str(caught.value)
    assert "rows.parquet" not in str(caught.value)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    part = pictures(tmp_path / "set/train.parquet", tmp_path / "shapes")
    part.write_bytes(part.read_bytes()[:-100])

    for source in (part, part.parent):
        with pytest.raises(DataError, match=r"train\.parquet"):
            add(source, tmp_path / "a")


@pytest.mark.parametrize("home", [".holdfast", "work"])
def test_a_workspace_in_the_folder_is_no_part_of_it(tmp_path: Path, home: str) -> None:
    source = shutil.copytree(GOLDEN / "many", tmp_path / "set")

    first = data_add(source, Workspace(source / home), name="it")
    second = data_add(source, Workspace(source / home), name="it")

    assert (second["ref"], second["samples"]) == (first["ref"], 6)
