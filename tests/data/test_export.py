"""What is exported is read by others, without Holdfast."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.data import ingest, open_version
from holdfast.data.export import Format, export
from holdfast.testing.toys import write_attributes, write_images, write_texts

pandas = pytest.importorskip("pandas")


def write(source: Path, root: Path, to: Path, *, kind: Format | None = None, force: bool = False) -> None:
    ingest(source, root, "toys", probe=lambda modality, data: {})
    with open_version(root, parse_ref("toys")) as version:
        export(version, to, kind=kind, force=force)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def test_a_tar_a_zip_and_a_folder_hold_the_files_and_their_table(tmp_path: Path) -> None:
    source, root = write_images(tmp_path / "in", per_class=4), tmp_path / "root"
    for name in ("a.tar", "a.zip", "a"):
        write(source, root, tmp_path / "out" / name)

    with tarfile.open(tmp_path / "out/a.tar") as packed:
        packed.extractall(tmp_path / "from tar", filter="data")
    with zipfile.ZipFile(tmp_path / "out/a.zip") as zipped:
        zipped.extractall(tmp_path / "from zip")
    for folder in (tmp_path / "from tar", tmp_path / "from zip", tmp_path / "out/a"):
        assert files(folder) == files(source)
        table = pandas.read_csv(folder / "samples.csv")
        assert list(table.columns) == ["file", "label", "holdfast_split"]
        assert [name.split("/")[0] for name in table["file"]] == list(table["label"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "a.tar", "a.zip"]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_webdataset_reads_its_tars(tmp_path: Path, task: str) -> None:
    webdataset = pytest.importorskip("webdataset")
    if task == "single":
        write_images(tmp_path / "in", per_class=12)
        (tmp_path / "in/disc/copy.png").write_bytes((tmp_path / "in/disc/disc (0).png").read_bytes())
    else:
        write_attributes(tmp_path / "in", samples=25)

    write(tmp_path / "in", tmp_path / "root", tmp_path / "out", kind="webdataset")

    with open_version(tmp_path / "root", parse_ref("toys")) as version:
        wanted = {
            (version.splits[row], version.names[row]): (version.read(row), list(version.labels_of(row)))
            for row in range(len(version))
        }
        labels = version.info.labels
    found = {}
    for path in (tmp_path / "out").glob("*.tar"):
        for sample in webdataset.WebDataset(path.as_posix(), shardshuffle=False):
            told = json.loads(sample["json"])
            found[path.name.partition("-")[0], told["name"]] = (sample["png"], told["labels"])
            if task == "single":
                assert labels[int(sample["cls"])] == told["labels"][0]
    assert found == wanted
    assert json.loads((tmp_path / "out/dataset.json").read_text())["labels"] == list(labels)


def test_a_store_is_read_by_webdataset_and_pandas_as_it_lies_there(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    source = write_images(tmp_path / "in", per_class=6)
    ingest(source, tmp_path / "root", "toys", probe=lambda modality, data: {})
    home = tmp_path / "root/toys"

    table = pandas.read_parquet(home / "versions/1/samples.parquet").set_index("digest")
    shards = [path.as_posix() for path in (home / "shards").glob("*.tar")]
    seen = {sample["__key__"]: sample["png"] for sample in webdataset.WebDataset(shards, shardshuffle=False)}

    assert set(seen) == set(table.index)
    for digest, row in table.iterrows():
        assert seen[digest] == (source / row["name"]).read_bytes()
        with (home / f"shards/{row['shard']}.tar").open("rb") as file:
            file.seek(row["offset"])
            assert file.read(row["length"]) == seen[digest]


def test_a_parquet_holds_everything(tmp_path: Path) -> None:
    from PIL import Image

    write(write_images(tmp_path / "in", per_class=4), tmp_path / "pictures", tmp_path / "pictures.parquet")
    write(write_texts(tmp_path / "t.csv", per_class=4), tmp_path / "texts", tmp_path / "texts.parquet")

    pictures, texts = (pandas.read_parquet(tmp_path / f"{name}.parquet") for name in ("pictures", "texts"))

    assert len(pictures) == len(texts) == 8
    for _, row in pictures.iterrows():
        assert row["bytes"] == (tmp_path / "in" / row["name"]).read_bytes()
        assert Image.open(io.BytesIO(row["bytes"])).width == 32
    lines = set((tmp_path / "t.csv").read_text().splitlines()[1:])
    assert {f"{row['text']},{row['labels'][0]}" for _, row in texts.iterrows()} == lines


def test_nothing_is_replaced_unless_forced_and_a_strange_suffix_is_told(tmp_path: Path) -> None:
    source, root = write_images(tmp_path / "in", per_class=3), tmp_path / "root"
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")

    with pytest.raises(DataError, match="is there already"):
        write(source, root, tmp_path / "out")
    assert (tmp_path / "out/mine").read_text() == "mine"
    write(source, root, tmp_path / "out", force=True)
    write(source, root, tmp_path / "out", kind="zip", force=True)
    assert zipfile.is_zipfile(tmp_path / "out")
    with pytest.raises(DataError, match=r"'.rar' says no form") as caught:
        write(source, root, tmp_path / "out.rar")
    assert "--format folder|tar|zip|webdataset|parquet" in (caught.value.hint or "")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="a folder is read-only for others than root")
def test_a_read_only_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)

    with pytest.raises(PermissionError):
        write(write_images(tmp_path / "in", per_class=3), tmp_path / "root", tmp_path / "out/a.tar")


def test_a_sample_that_is_damaged_leaves_nothing_behind(tmp_path: Path) -> None:
    source, root = write_images(tmp_path / "in", per_class=3), tmp_path / "root"
    ingest(source, root, "toys", probe=lambda modality, data: {})
    (shard,) = (root / "toys/shards").iterdir()
    shard.write_bytes(shard.read_bytes()[:1000])

    with open_version(root, parse_ref("toys")) as version:
        for name in ("a.tar", "a.zip", "a.parquet", "a"):
            with pytest.raises(DataError, match="ends too early"):
                export(version, tmp_path / "out" / name)
    assert list((tmp_path / "out").iterdir()) == []
