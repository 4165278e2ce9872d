"""Samples are looked at once; those that are no good are named."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.core.refs import parse_ref
from holdfast.data import ingest, read_quarantine
from holdfast.testing.toys import write_images


@pytest.mark.skipif(os.name == "nt", reason="needs the permissions of Unix")
def test_a_file_that_vanishes_or_may_not_be_read_is_quarantined(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=4)
    victim = source / "disc/disc (0).png"

    def vanish(modality: str, data: bytes) -> Mapping[str, int]:
        victim.unlink(missing_ok=True)
        return {}

    (source / "disc/link.png").symlink_to(source / "nowhere.png")
    info = ingest(source, tmp_path / "root", "toys", probe=vanish)

    reasons = {item.name: item.reason for item in read_quarantine(tmp_path / "root", parse_ref("toys"))}
    assert reasons["disc/link.png"] == "cannot be read: No such file or directory"
    assert info.samples + info.quarantined == 9
