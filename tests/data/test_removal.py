"""A removed version is gone, its number never comes again, and the log knows."""

from pathlib import Path

import pytest

from holdfast.core.errors import DataError, RefError
from holdfast.core.refs import parse_ref
from holdfast.data import ingest, list_datasets, open_version, unreadable_datasets, versions_of
from holdfast.data.removal import remove_version
from holdfast.data.tags import history, read_tags, set_tag
from holdfast.testing.toys import write_images


def add(source: Path, root: Path) -> int:
    return ingest(source, root, "toys", probe=lambda modality, data: {}).version


@pytest.fixture
def root(tmp_path: Path) -> Path:
    source = write_images(tmp_path / "in", per_class=4)
    add(source, tmp_path / "root")
    (source / "disc/disc (0).png").unlink()
    add(source, tmp_path / "root")
    return tmp_path / "root"


def test_the_number_of_a_removed_version_is_never_given_again(root: Path, tmp_path: Path) -> None:
    assert remove_version(root, parse_ref("toys@2")) == 2

    assert versions_of(root, "toys") == [1]
    assert add(tmp_path / "in", root) == 3
    with pytest.raises(RefError, match="there is no toys@2"):
        open_version(root, parse_ref("toys@2"))
    (line,) = history(root / "toys").lines()
    assert (line["event"], line["version"], len(line["fingerprint"])) == ("remove", 2, 64)


def test_what_is_needed_is_removed_only_by_force(root: Path) -> None:
    set_tag(root / "toys", "gold", 1, fingerprint="f")

    with pytest.raises(DataError, match="toys@1 is needed by 'tag toys@gold'"):
        remove_version(root, parse_ref("toys@1"))
    with pytest.raises(DataError, match="'model toys@4'"):
        remove_version(root, parse_ref("toys@2"), used_by=["model toys@4"])
    with pytest.raises(DataError, match="names no version"):
        remove_version(root, parse_ref("toys"))
    assert versions_of(root, "toys") == [1, 2]

    remove_version(root, parse_ref("toys@gold"), force=True)

    assert versions_of(root, "toys") == [2]
    assert read_tags(root / "toys") == {}
    lines = history(root / "toys").lines()
    assert [(line["event"], line.get("tag")) for line in lines[1:]] == [("untag", "gold"), ("remove", None)]
    assert lines[-1]["forced"] is True


@pytest.mark.parametrize("file", ["version.json", "samples.parquet"])
def test_a_damaged_version_says_how_to_go_on_without_it(root: Path, tmp_path: Path, file: str) -> None:
    (root / "toys/versions/2" / file).write_bytes(b"{")

    with pytest.raises(DataError, match="is damaged") as caught:
        open_version(root, parse_ref("toys"))
    assert "`holdfast data remove toys@2`" in (caught.value.hint or "")
    if file == "samples.parquet":
        with pytest.raises(DataError, match="nobody knows the splits") as caught:
            add(tmp_path / "in", root)
        assert "`holdfast data remove toys@2`" in (caught.value.hint or "")
        remove_version(root, parse_ref("toys@2"))
    assert add(tmp_path / "in", root) == 3


def test_a_dataset_of_which_nothing_can_be_read_is_told(root: Path) -> None:
    for number in (1, 2):
        (root / f"toys/versions/{number}/version.json").write_text("[]")

    assert list_datasets(root) == []
    assert [name for name, problems in unreadable_datasets(root).items() if len(problems) == 2] == ["toys"]
