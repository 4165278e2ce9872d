"""What is missing or damaged in the store comes back from the source."""

import shutil
from pathlib import Path

import pytest

from holdfast.core.refs import parse_ref
from holdfast.data import open_version, versions_of
from holdfast.testing.toys import write_images, write_texts
from tests.data.test_intake import add


def shards_of(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "toys/shards").glob("*.tar"))}


def harm(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
        return
    if how == "flipped":
        data[600] ^= 1
    elif how == "cut":
        del data[len(data) // 2 :]
    else:
        data.clear()
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["missing", "flipped", "cut", "empty"])
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_adding_the_same_again_restores_damaged_shards_byte_for_byte(
    tmp_path: Path, how: str, kind: str
) -> None:
    root = tmp_path / "root"
    source = (
        write_images(tmp_path / "in", per_class=5)
        if kind == "images"
        else write_texts(tmp_path / "t.csv", per_class=10)
    )
    first, whole = add(source, root), shards_of(tmp_path / "root")
    harm(root / "toys/shards" / next(iter(whole)), how)

    again = add(source, root, verify=True)

    assert shards_of(root) == whole
    assert (again.version, again.fingerprint) == (1, first.fingerprint)
    assert again.notes == (*first.notes, "1 damaged shards were restored from the source")
    assert add(source, root) == first
    with open_version(root, parse_ref("toys")) as version:
        assert all(version.read(i) for i in range(len(version)))


def test_a_shard_is_restored_from_a_part_of_its_source_while_the_rest_of_it_is_good(tmp_path: Path) -> None:
    root, source = tmp_path / "root", write_images(tmp_path / "in", per_class=10)
    add(source, root)
    whole = shards_of(root)
    with open_version(root, parse_ref("toys")) as version:
        first = version.names[0]  # its bytes begin at 512
    harm(root / "toys/shards" / next(iter(whole)), "flipped")
    for path in sorted(source.rglob("*.png"))[::3]:
        if path != source / first:
            path.unlink()

    info = add(source, root, verify=True)

    assert info.version == 2
    assert shards_of(root) == whole


def test_a_shard_is_restored_with_the_suffixes_that_it_had(tmp_path: Path) -> None:
    root, source = tmp_path / "root", write_images(tmp_path / "in", per_class=5)
    add(source, root)
    whole = shards_of(root)
    harm(root / "toys/shards" / next(iter(whole)), "missing")
    for path in source.rglob("*.png"):
        path.rename(path.with_suffix(".bmp"))

    add(source, root)

    assert shards_of(root) == whole


def test_what_cannot_be_restored_is_said_and_stored_anew(tmp_path: Path) -> None:
    root, source = tmp_path / "root", write_images(tmp_path / "in", per_class=10)
    add(source, root)
    (name,) = shards_of(root)
    harm(root / "toys/shards" / name, "missing")
    (source / "disc/disc (3).png").unlink()

    info = add(source, root)

    assert info.version == 2
    assert any("1 damaged shards of earlier versions could not be restored" in note for note in info.notes)
    assert any(name.removesuffix(".tar")[:30] in note for note in info.notes)
    with open_version(root, parse_ref("toys@2")) as version:
        assert all(version.read(i) for i in range(19))
    assert len(add(source, root).notes) == len(info.notes)
    assert versions_of(root, "toys") == [1, 2]


def test_a_damaged_shard_is_not_reused_for_a_new_version(tmp_path: Path) -> None:
    root, source = tmp_path / "root", write_images(tmp_path / "in", per_class=5)
    add(source, root)
    whole = shards_of(root)
    harm(root / "toys/shards" / next(iter(whole)), "cut")
    write_images(tmp_path / "more", per_class=1, seed=9)
    shutil.copy(tmp_path / "more/disc/disc (0).png", source / "disc/new.png")

    add(source, root)

    assert whole.items() <= shards_of(root).items()
    for ref in ("toys@1", "toys@2"):
        with open_version(root, parse_ref(ref)) as version:
            assert all(version.read(i) for i in range(len(version)))


def test_without_verifying_a_shard_that_is_missing_or_cut_short_is_noticed(tmp_path: Path) -> None:
    root, source = tmp_path / "root", write_images(tmp_path / "in", per_class=5)
    add(source, root)
    whole = shards_of(root)

    for how in ("missing", "cut", "empty"):
        harm(root / "toys/shards" / next(iter(whole)), how)
        assert "1 damaged shards were restored" in add(source, root).notes[-1]
        assert shards_of(root) == whole
