import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.bundle.manifest import Manifest, is_plain, read_manifest, write_manifest
from holdfast.config.schema import AudioPrepare, ImagePrepare, Prepare, TextPrepare
from holdfast.core.errors import BundleError
from holdfast.core.files import digest_bytes

_labels = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4, unique=True
)
_prepares = st.sampled_from(
    [ImagePrepare(size=8), AudioPrepare(window_s=0.1 + 0.2, hop_s=0.1), TextPrepare()]
)


@given(
    _labels, _prepares, st.floats(0, 1), st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers())
)
def test_reads_back_what_it_writes(
    labels: list[str], prepare: Prepare, level: float, provenance: dict[str, Any]
) -> None:
    manifest = Manifest(
        task="multi",
        modality=prepare.modality,
        labels=labels,
        prepare=prepare,
        thresholds=[level] * len(labels),
        provenance=provenance,
        metrics={"auroc": {"value": level, "low": None, "high": None}},
        parity={"max_difference": level, "samples": 3},
    )

    assert read_manifest(write_manifest(manifest), "here") == manifest


@given(st.text())
def test_a_plain_name_has_no_way_out_of_its_folder(name: str) -> None:
    assert not (is_plain(name) and (set(name) & set('/\\:\0<>|?*"') or name.startswith(".")))


@pytest.mark.parametrize(
    "name", ["../model.onnx", "/etc/passwd", "a/b", "a\\b", "C:x", "..", "", "model.onnx\n"]
)
def test_refuses_names_that_leave_the_folder(name: str) -> None:
    data = _written(files={name: "0" * 64})

    with pytest.raises(BundleError, match="is not a plain file name"):
        read_manifest(data, "manifest.json")


def test_a_protocol_from_the_future_asks_for_an_update_whatever_else_it_says() -> None:
    data = json.dumps({"protocol": 2, "unheard_of": True}).encode()

    with pytest.raises(
        BundleError, match="is of protocol 2, but this release reads protocols up to 1"
    ) as caught:
        read_manifest(data, "manifest.json")

    assert "update holdfast" in str(caught.value.hint)


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"protocol": "1"}', b'{"protocol": true}', b'{"protocol": 0}']
)
def test_what_names_no_protocol_is_no_bundle(data: bytes) -> None:
    with pytest.raises(BundleError, match="names no protocol"):
        read_manifest(data, "manifest.json")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{", b"[" * 100_000])
def test_what_is_not_json_is_said_to_be_so(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json is not JSON"):
        read_manifest(data, "manifest.json")


def test_a_changed_value_is_noticed() -> None:
    data = _written().replace(b'"disc"', b'"disk"')

    with pytest.raises(BundleError, match="was changed after it was sealed"):
        read_manifest(data, "manifest.json")


def test_all_that_cannot_be_is_listed_at_once() -> None:
    data = _written(task="both", labels=[], more=1)

    with pytest.raises(BundleError) as caught:
        read_manifest(data, "manifest.json")

    assert caught.value.message.startswith("manifest.json has 3 problems:")
    for place in ("task: ", "labels: ", "more: "):
        assert f"\n  {place}" in caught.value.message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"labels": ["a", "a"]}, "labels: some stand there twice"),
        ({"modality": "audio"}, "prepare: is for image, but modality is audio"),
        ({"thresholds": [0.5, 0.5]}, "thresholds: needs one per label of a multi-label model"),
        ({"task": "multi", "thresholds": [0.5]}, "thresholds: needs one per label of a multi-label model"),
        ({"files": {"manifest.json": "0" * 64}}, "cannot hold its own digest"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        read_manifest(_written(**change), "manifest.json")


def _written(**changes: Any) -> bytes:
    """A manifest with any values, sealed as if they were right."""
    plain = Manifest(task="single", modality="image", labels=["disc", "square"], prepare=ImagePrepare())
    values = {**plain.model_dump(mode="json"), **changes}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return json.dumps({"seal": digest_bytes(text.encode()), **values}).encode()
