"""Archives are read as the folder would be that they were made from."""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from holdfast.core.errors import DataError, InputError
from holdfast.data.listing import NO_FILE
from holdfast.data.source import open_source
from holdfast.data.walk import IRREGULAR, UNREADABLE

FILES = {"a/1.png": b"one", "a/2.png": b"two", "b/in/3.png": b"three"}


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def tar(path: Path, *others: tarfile.TarInfo, first: bool = False) -> Path:
    """A tar of the files, with other members after or before them."""
    with tarfile.open(path, "w") as archive:
        for info in others if first else ():
            archive.addfile(info)
        for name, data in FILES.items():
            archive.addfile(member(name, size=len(data)), io.BytesIO(data))
        for info in () if first else others:
            archive.addfile(info)
    return path


LINKS = (
    member("b/hard.png", tarfile.LNKTYPE, "a/1.png"),
    member("b/soft.png", tarfile.SYMTYPE, "../a/2.png"),
    member("b/twice.png", tarfile.SYMTYPE, "soft.png"),
    member("b/hard to soft.png", tarfile.LNKTYPE, "b/twice.png"),
    member("c", tarfile.SYMTYPE, "b/in"),
    member("d.png", tarfile.SYMTYPE, "c/../c/3.png"),
)


@pytest.mark.parametrize("first", [False, True])
def test_links_in_a_tar_stand_for_what_they_lead_to(tmp_path: Path, first: bool) -> None:
    with open_source(tar(tmp_path / "d.tar", *LINKS, first=first)) as source:
        found = {name: source.read(name) for name in source.names}
        notes = source.notes

    assert found == FILES | {
        "b/hard.png": b"one",
        "b/soft.png": b"two",
        "b/twice.png": b"two",
        "b/hard to soft.png": b"two",
        "d.png": b"three",
    }
    assert len(notes) == 1
    assert "'c -> b/in'" in notes[0]


def test_what_cannot_be_read_in_a_tar_is_listed_with_the_reason(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "d.tar",
        member("a/gone.png", tarfile.SYMTYPE, "nowhere.png"),
        member("a/out.png", tarfile.SYMTYPE, "../../etc/3.png"),
        member("a/root.png", tarfile.SYMTYPE, "/a/1.png"),
        member("a/round.png", tarfile.SYMTYPE, "./round.png"),
        member("a/hard.png", tarfile.LNKTYPE, "a/nowhere.png"),
        member("a/pipe.png", tarfile.FIFOTYPE),
        member("a/sound.png", tarfile.CHRTYPE),
    )

    with open_source(path) as source:
        listing = source.listing
        sizes = dict(zip(listing.names.to_pylist(), listing.size.tolist(), strict=True))
        reasons = {}
        for name in sizes.keys() - FILES.keys():
            with pytest.raises(InputError) as caught:
                source.read(name)
            reasons[name.removeprefix("a/").removesuffix(".png")] = caught.value.message

    assert sizes["a/gone.png"] == UNREADABLE
    assert sizes["a/pipe.png"] == sizes["a/sound.png"] == IRREGULAR
    assert reasons.keys() == {"gone", "out", "root", "round", "hard", "pipe", "sound"}
    assert reasons["gone"] == "is a link to 'nowhere.png', which the archive does not have"
    assert reasons["pipe"] == reasons["sound"] == NO_FILE


@pytest.mark.skipif(sys.platform != "linux", reason="pipes, and a tar that keeps them")
def test_a_folder_and_its_tar_and_its_zip_have_the_same_names(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(data)
    (tmp_path / "d/b/hard.png").hardlink_to(tmp_path / "d/a/1.png")
    (tmp_path / "d/b/soft.png").symlink_to("../a/2.png")
    (tmp_path / "d/b/gone.png").symlink_to("../a/4.png")
    (tmp_path / "d/c").symlink_to("a")
    (tmp_path / "d/a/back\\slash.png").write_bytes(b"\\")
    (tmp_path / "d" / os.fsdecode(b"a/\xff.png")).write_bytes(b"\xff")
    os.mkfifo(tmp_path / "d/a/pipe.png")
    subprocess.run(["tar", "cf", "d.tar", "-C", "d", "."], cwd=tmp_path, check=True)

    def seen(path: Path) -> tuple[dict[str, bytes | None], dict[str, str]]:
        found: dict[str, bytes | None] = {}
        with open_source(path) as source:
            for name in source.names:
                try:
                    found[name] = source.read(name)
                except InputError:
                    found[name] = None
            return found, source.listing.links

    assert seen(tmp_path / "d.tar") == seen(tmp_path / "d")
    assert seen(tmp_path / "d")[0].keys() >= {"a/back\\slash.png", r"a/\udcff.png", "b/hard.png"}


def test_what_gnu_tar_adds_is_no_file(tmp_path: Path) -> None:
    with open_source(tar(tmp_path / "d.tar", member("a label", b"V"), member("a/", b"D"))) as source:
        assert source.names == tuple(FILES)


def test_links_in_a_zip_stand_for_what_they_lead_to(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
        for name, target in {"b/soft.png": "../a/2.png", "b/gone.png": "../4.png", "c": "a"}.items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o120777 << 16
            archive.writestr(info, target)

    with open_source(tmp_path / "d.zip") as source:
        assert source.names == (*sorted([*FILES, "b/gone.png", "b/soft.png"]),)
        assert source.read("b/soft.png") == b"two"
        assert source.listing.links == {"c": "a"}
        with pytest.raises(InputError, match=r"is a link to '\.\./4\.png'"):
            source.read("b/gone.png")


def test_backslashes_in_a_zip_part_folders_only_where_it_was_made_on_windows(tmp_path: Path) -> None:
    for system, name in ((0, "a/1.png"), (3, "a\\1.png")):
        with zipfile.ZipFile(tmp_path / f"{system}.zip", "w") as archive:
            info = zipfile.ZipInfo("a_1.png")
            info.filename, info.create_system = "a\\1.png", system
            archive.writestr(info, b"1")

        with open_source(tmp_path / f"{system}.zip") as source:
            assert source.names == (name,)
            assert source.read(name) == b"1"


@pytest.mark.parametrize("at", [512 * 2 + 1, 512 * 2 + 300, 512 * 4 + 511])
def test_a_tar_that_was_cut_within_a_header_is_refused(tmp_path: Path, at: int) -> None:
    path = tar(tmp_path / "d.tar")
    path.write_bytes(path.read_bytes()[:at])

    with pytest.raises(DataError, match=r"damaged archive: .* is cut off"), open_source(path):
        pass


def test_a_tar_with_a_broken_header_is_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "d.tar")
    data = bytearray(path.read_bytes())
    data[1024 + 10] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(DataError, match=r"at byte 1,024, cannot be read"), open_source(path):
        pass


@pytest.mark.parametrize("zeros", [0, 100, 512])
def test_a_tar_without_its_mark_is_taken_and_told(tmp_path: Path, zeros: int) -> None:
    path = tar(tmp_path / "d.tar")
    path.write_bytes(path.read_bytes()[: 512 * 6] + bytes(zeros))

    with open_source(path) as source:
        assert source.names == tuple(FILES)
        assert bool(source.notes) == (zeros < 512)
        assert zeros == 512 or "has no mark at its end" in source.notes[0]


def test_what_follows_the_mark_of_a_tar_is_told(tmp_path: Path) -> None:
    path = tar(tmp_path / "d.tar")
    path.write_bytes(path.read_bytes() * 2)

    with open_source(path) as source:
        assert source.names == tuple(FILES)
        assert "several archives one after the other" in source.notes[0]
