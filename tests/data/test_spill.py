"""Bytes are read once, where there is room to keep them."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.data import ingest, intake, open_version, versions_of
from holdfast.data import spill as spill_module
from holdfast.data.spill import Spill
from holdfast.testing.toys import write_images
from tests.data.test_intake import add


@given(
    st.lists(st.lists(st.binary(max_size=20), max_size=4), max_size=4),
    st.integers(0, 100),
    st.sampled_from([0, 2**40]),
)
def test_what_is_kept_comes_back(
    tmp_path_factory: pytest.TempPathFactory, kept: list[list[bytes]], room: int, expected: int
) -> None:
    with Spill(tmp_path_factory.getbasetemp(), expected=expected, room=room) as spill:
        starts, held = [spill.keep(blocks) for blocks in kept], 0
        for blocks, places in zip(kept, starts, strict=True):
            for block, start in zip(blocks, places.tolist(), strict=True):
                if start >= 0:
                    assert spill.read(start, len(block)) == block
                    held += len(block)
        assert held <= room


@pytest.mark.parametrize(("room", "memory"), [(0, 2**20), (2**20, 2**20), (2**20, -1)])
def test_a_file_that_changes_while_it_is_read_is_kept_as_it_was_or_noticed(
    tmp_path: Path, room: int, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill_module, "MEMORY_BYTES", memory)
    monkeypatch.setattr(intake, "Spill", partial(Spill, room=room))
    source = tmp_path / "in"
    for name in ("a/1.txt", "b/2.txt"):
        (source / name).parent.mkdir(parents=True)
        (source / name).write_text(name)

    def meddle(modality: str, data: bytes) -> Mapping[str, int]:
        if data == b"a/1.txt":
            (source / "a/1.txt").write_text("other")
        return {}

    if room:
        ingest(source, tmp_path / "root", "toys", probe=meddle)
        with open_version(tmp_path / "root", parse_ref("toys")) as version:
            assert {version.read(0), version.read(1)} == {b"a/1.txt", b"b/2.txt"}
        return
    with pytest.raises(DataError, match=r"'a/1.txt' changed while it was being read"):
        ingest(source, tmp_path / "root", "toys", probe=meddle)
    assert versions_of(tmp_path / "root", "toys") == []


def test_where_there_is_no_room_to_keep_bytes_they_are_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_images(tmp_path / "in", per_class=4)
    roomy = add(source, tmp_path / "roomy")

    monkeypatch.setattr(intake, "Spill", partial(Spill, room=2000))
    tight = add(source, tmp_path / "tight")

    assert tight.fingerprint == roomy.fingerprint
    with open_version(tmp_path / "tight", parse_ref("toys")) as version:
        assert all(version.read(i) for i in range(8))


def test_what_vanishes_before_it_is_stored_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_images(tmp_path / "in", per_class=4)
    lost = next(source.rglob("*.png"))
    held = lost.read_bytes()
    monkeypatch.setattr(intake, "Spill", partial(Spill, room=0))

    def lose(modality: str, data: bytes) -> Mapping[str, int]:
        if data == held:
            lost.unlink()
        return {}

    with pytest.raises(
        DataError, match=f"{re.escape(lost.name)}', which was good .*: cannot be read"
    ) as caught:
        ingest(source, tmp_path / "root", "toys", probe=lose)
    assert "--ignore" in (caught.value.hint or "")
