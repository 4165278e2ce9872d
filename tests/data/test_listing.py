"""Files in columns."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from holdfast.core.errors import DataError, InputError
from holdfast.data.layout import plan_source
from holdfast.data.listing import list_folder, list_names
from holdfast.data.plan import SourceOptions
from holdfast.data.source import open_source
from holdfast.data.walk import IRREGULAR, UNREADABLE


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_folder_and_its_names_give_the_same_columns(tmp_path: Path) -> None:
    names = ["b/2.txt", "a/ü (1).JPG", "top.csv", "a/b/1.png", "b/10.txt"]
    touch(tmp_path, *names)

    found = list_folder(tmp_path, skip=lambda name: False)
    told = list_names((name, len(name.encode())) for name in names)

    assert found.names.to_pylist() == told.names.to_pylist()
    assert sorted(found.names.to_pylist()) == sorted(names)
    assert found.size.tolist() == told.size.tolist()
    status = (tmp_path / "top.csv").stat()
    assert (found.changed[0], found.inode[0]) == (status.st_mtime_ns, status.st_ino)


def test_suffixes_tell_modalities_in_any_case() -> None:
    found = list_names([("a.JPG", 0), ("b.jpg.txt", 0), ("c.Flac", 0), ("d", 0)])

    chosen = {kind: found.where(found.of(kind)).names.to_pylist() for kind in ("image", "text", "audio")}

    assert chosen == {"image": ["a.JPG"], "text": ["b.jpg.txt"], "audio": ["c.Flac"]}


def test_an_empty_folder_is_an_empty_listing_and_an_error_that_says_so(tmp_path: Path) -> None:
    found = list_folder(tmp_path, skip=lambda name: False)

    assert (len(found), found.names.to_pylist(), found.of("image").tolist()) == (0, [], [])
    assert len(found.where(np.zeros(0, bool))) == 0
    with open_source(tmp_path) as source, pytest.raises(DataError, match="no pictures, sounds") as caught:
        plan_source(source, SourceOptions())
    assert "give a folder per class" in (caught.value.hint or "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want Unicode, or have no pipes")
def test_names_that_are_no_unicode_pipes_and_long_names_are_listed_and_read(tmp_path: Path) -> None:
    strange = os.fsdecode(b"cat/\xff.jpg")
    long = "dog/" + "x" * 251 + ".jpg"
    for name in (strange, long):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"bytes")
    os.mkfifo(tmp_path / "dog/pipe.jpg")
    (tmp_path / "dog/gone.jpg").symlink_to(tmp_path / "nowhere")

    with open_source(tmp_path) as source:
        names = source.listing.names.to_pylist()
        assert names == [r"cat/\udcff.jpg", "dog/gone.jpg", "dog/pipe.jpg", long]
        assert source.listing.size.tolist() == [5, UNREADABLE, IRREGULAR, 5]
        assert source.read(names[0]) == source.read(long) == b"bytes"
        with pytest.raises(InputError, match="a pipe or a device"):
            source.read("dog/pipe.jpg")


def linked(link: Path, target: str) -> None:
    try:
        link.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")


def test_a_link_never_takes_the_files_of_a_real_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png", "b/in/3.png")
    linked(tmp_path / "a/0", "../b")  # sorts before all that it leads to
    linked(tmp_path / "0", "b/in")
    linked(tmp_path / "b/up", "..")

    found = list_folder(tmp_path, skip=lambda name: False)

    assert found.names.to_pylist() == ["a/1.png", "b/2.png", "b/in/3.png"]
    assert found.links == {"0": "b/in", "a/0": "b", "b/up": ""}
    assert "'0 -> b/in', 'a/0 -> b', 'b/up -> .'" in found.notes[0]


def test_a_link_to_what_is_not_there_otherwise_is_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "out/deep/1.png", "in/.store/2.png", "in/old/3.png")
    linked(tmp_path / "in/a", "../out/deep")
    linked(tmp_path / "in/b", "../out")
    linked(tmp_path / "in/c", ".store")
    linked(tmp_path / "in/d", "old")

    found = list_folder(
        tmp_path / "in", skip=lambda name: name.startswith("."), ignored=lambda name: name == "old"
    )

    assert found.names.to_pylist() == ["old/3.png", "a/1.png", "c/2.png", "d/3.png"]
    assert found.links == {"b/deep": "a"}


def test_what_is_no_part_of_a_folder_is_left_out_and_told(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "home/datasets/2.png")
    linked(tmp_path / "a/home", "../home")

    found = list_folder(tmp_path, skip=lambda name: False, apart=[tmp_path / "home", tmp_path])

    assert (found.names.to_pylist(), found.apart) == (["a/1.png"], ("home", "a/home"))
    assert "left out: 'home', 'a/home'" in found.notes[0]


@pytest.mark.skipif(sys.platform != "linux", reason="others may have no permissions")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.png")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("holdfast.data.walk.os.scandir", refuse)

    with pytest.raises(DataError, match="cannot be listed: Permission denied"):
        list_folder(tmp_path, skip=lambda name: False)
