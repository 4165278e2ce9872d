"""Bundles of every protocol that was ever written, kept for ever: they open, and answer as they did."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.bundle import open_bundle, read_reference
from holdfast.serve.engine import Engine

HERE = Path(__file__).parent
SAMPLES = {"image": "sample.png", "audio": "sample.wav", "text": "sample.txt"}
ANSWERS = {
    ("bundle-protocol-1", "image"): ([0.3634923, 0.2596857, 0.3768221], ["ring"], 1),
    ("bundle-protocol-1", "audio"): ([0.4754979, 0.524502], ["high"], 6),
    ("bundle-protocol-1", "text"): ([0.268387, 0.044156, 0.3686776], ["sea", "old"], 1),
}


@pytest.mark.parametrize(("protocol", "modality"), ANSWERS)
def test_an_old_bundle_answers_as_it_always_did(protocol: str, modality: str) -> None:
    probabilities, labels, parts = ANSWERS[protocol, modality]
    bundle = open_bundle(HERE / protocol / modality)
    engine = Engine(bundle, threads=1)

    found = engine.predict([(HERE / "samples" / SAMPLES[modality]).read_bytes()])

    np.testing.assert_allclose(found.probabilities, [probabilities], atol=1e-5)
    assert engine.labels_of(found.probabilities) == [labels]
    assert len(found.parts[0]) == parts
    assert bundle.evaluation is not None
    assert bundle.reference is not None
    assert read_reference(bundle.reference).confidence.sum() == 40
