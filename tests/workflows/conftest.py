"""Pictures, a model and predictions of them, for the tests of batches."""

import shutil
from pathlib import Path

import pytest

from holdfast.data import ingest
from holdfast.modality import probe
from holdfast.testing.bundles import toy_bundle
from holdfast.testing.toys import write_images
from tests.batches import LABELS, run


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, 140 pictures and one that is none, a dataset, and the predictions of two threads."""
    folder = tmp_path_factory.mktemp("batch")
    toy_bundle(folder / "toy", labels=LABELS)
    write_images(folder / "shapes", per_class=70, size=16)
    ingest(folder / "shapes", folder / "home" / "datasets", "shapes", probe=probe)
    (folder / "shapes/disc/broken.png").write_bytes(b"junk")
    (folder / "shapes/disc/._hidden.png").write_bytes(b"litter of a file manager")
    run(folder, folder / "preds", workers=2)
    return folder


@pytest.fixture
def mine(lab: Path, tmp_path: Path) -> Path:
    """A copy of the pictures and their predictions, to change."""
    shutil.copytree(lab, tmp_path / "lab")
    shutil.rmtree(tmp_path / "lab/preds")
    run(tmp_path / "lab", tmp_path / "lab/preds")
    return tmp_path / "lab"
