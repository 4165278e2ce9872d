"""The five real sets are understood, with no option but the group that their README names."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.core.refs import parse_ref
from holdfast.data import SourceOptions, VersionInfo, ingest, open_version

DATA = Path(__file__).resolve().parents[3] / "shared/data"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the checkout"),
]


def add(tmp_path: Path, source: str, group: str | None = None) -> VersionInfo:
    options = SourceOptions(group=group)
    return ingest(DATA / source, tmp_path, "real", options=options, probe=lambda modality, data: {})


def test_brain_mri_keeps_its_test_part_and_counts_its_twins(tmp_path: Path) -> None:
    info = add(tmp_path, "brain_mri")

    assert (info.modality, info.task, len(info.labels), info.samples) == ("image", "single", 4, 2394)
    assert info.splits == {"train": 1750, "valid": 250, "test": 394}
    assert info.twins == 181


def test_animals_have_22_classes_and_two_conflicts(tmp_path: Path) -> None:
    info = add(tmp_path, "animals")

    assert (len(info.labels), info.samples) == (22, 1997)
    assert "4 samples in 2 groups of exact copies stand under different labels" in info.notes[0]


def test_birds_are_split_by_recording_with_every_species_everywhere(tmp_path: Path) -> None:
    info = add(tmp_path, "birds", group="recording_id")

    assert (info.modality, len(info.labels), info.samples, info.groups) == ("audio", 11, 952, 52)
    with open_version(tmp_path, parse_ref("real")) as version:
        for split in ("train", "valid", "test"):
            assert set(version.targets[version.indices(split)]) == set(range(11))
        recordings = [set(version.groups[version.indices(split)]) for split in ("train", "valid", "test")]
        assert sum(map(len, recordings)) == 52


def test_texts_take_their_group_column_by_its_name(tmp_path: Path) -> None:
    info = add(tmp_path, "ai_text/texts.csv")

    assert (info.modality, info.labels, info.samples) == ("text", ("ai", "human"), 2700)
    assert info.splits == {"train": 1890, "valid": 270, "test": 540}
    assert info.groups < 2700


def test_faces_have_40_labels_by_person(tmp_path: Path) -> None:
    info = add(tmp_path, "faces", group="person_id")

    assert (info.task, len(info.labels), info.samples, info.groups) == ("multi", 40, 2500, 2217)
    with open_version(tmp_path, parse_ref("real")) as version:
        shares = [version.targets[version.indices(split)].mean(axis=0) for split in ("train", "test")]
        assert np.abs(shares[0] - shares[1]).max() < 0.03
