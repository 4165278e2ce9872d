"""Folders, zips and tars read alike; what is damaged or a bomb says so."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from holdfast.core.errors import DataError, InputError
from holdfast.data import source as source_module
from holdfast.data.source import open_source

FILES = {"cat/a b.jpg": b"1", "dog/ü [2].jpg": b"22"}


def packed(path: Path) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in FILES.items():
                archive.writestr(name, data)
            archive.writestr("__MACOSX/cat/._a b.jpg", b"x")
        return path
    mode = {".tar": "w", ".tgz": "w:gz", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}[path.suffix]
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in FILES.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tgz", "d.tar.gz", "d.tar.bz2", "d.tar.xz"])
def test_archives_read_as_their_folder_would(tmp_path: Path, name: str) -> None:
    with open_source(packed(tmp_path / name)) as source:
        assert {name: source.read(name) for name in source.names} == FILES


def test_folders_follow_links_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "data/cat").mkdir(parents=True)
    (tmp_path / "data/cat/1.jpg").write_bytes(b"1")
    try:
        (tmp_path / "data/cat/again").symlink_to(tmp_path / "data", target_is_directory=True)
        (tmp_path / "data/cat/broken.jpg").symlink_to(tmp_path / "gone.jpg")
    except OSError:
        pytest.skip("no links here")

    with open_source(tmp_path / "data") as source:
        assert source.names == ("cat/1.jpg", "cat/broken.jpg")
        with pytest.raises(InputError, match="cannot be read: No such file"):
            source.read("cat/broken.jpg")


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz"])
def test_a_bomb_is_refused_before_it_goes_off(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "_FREE_BYTES", 2**16)
    monkeypatch.setitem(FILES, "cat/zeros.jpg", bytes(2**23))

    path = packed(tmp_path / name)
    with pytest.raises(DataError, match=r"would unpack to .* over 100 times as much"), open_source(path):
        pass


@pytest.mark.parametrize("name", ["d.zip", "d.tar"])
def test_a_member_that_is_too_large_is_refused_alone(tmp_path: Path, name: str) -> None:
    with open_source(packed(tmp_path / name)) as source:
        assert source.read("cat/a b.jpg", limit=1) == b"1"
        with pytest.raises(InputError, match="larger than 0 MB"):
            source.read("dog/ü [2].jpg", limit=1)


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz", "d.tar.xz"])
def test_an_archive_that_was_cut_short_says_so(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name)
    path.write_bytes(path.read_bytes()[:100])

    with pytest.raises(DataError, match="damaged archive"), open_source(path) as source:
        assert source.names


def test_a_damaged_member_is_refused_alone(tmp_path: Path) -> None:
    path = packed(tmp_path / "d.zip")
    data = bytearray(path.read_bytes())
    data[30 + len("cat/a b.jpg")] ^= 0xFF  # the first byte of the first member's content
    path.write_bytes(data)

    with open_source(path) as source:
        with pytest.raises(InputError, match="cannot be unpacked"):
            source.read("cat/a b.jpg")
        assert source.read("dog/ü [2].jpg") == b"22"


def test_what_is_no_source_says_what_is(tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_bytes(b"")

    for path, message in (
        (tmp_path / "a.doc", "is not something"),
        (tmp_path / "gone", "there is nothing at"),
    ):
        with pytest.raises(DataError, match=message), open_source(path):
            pass


def test_a_file_that_grows_while_it_is_read_is_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d/cat/1.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1" * 100)
    reading = os.read

    def growing(handle: int, length: int) -> bytes:
        with path.open("ab") as file:
            file.write(b"1" * 100)
        return reading(handle, length)

    with open_source(tmp_path / "d") as source:
        monkeypatch.setattr("holdfast.data.source.os.read", growing)
        with pytest.raises(InputError, match=r"^changed while it was being read$"):
            source.read("cat/1.jpg", limit=150)


def test_a_file_that_comes_in_several_parts_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.jpg").write_bytes(bytes(range(100)))
    reading = os.read

    with open_source(tmp_path) as source:
        monkeypatch.setattr("holdfast.data.source.os.read", lambda handle, length: reading(handle, 10))

        assert source.read("1.jpg") == bytes(range(100))
