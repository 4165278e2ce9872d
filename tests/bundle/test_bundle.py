import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from holdfast.bundle import open_bundle, seal
from holdfast.core.errors import BundleError
from holdfast.core.files import digest_bytes
from holdfast.testing.bundles import toy_bundle


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_bundle(tmp_path_factory.mktemp("sealed") / "bundle", modality="text", task="multi")


@pytest.fixture
def bundle(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "bundle"))


def test_opens_what_was_sealed(bundle: Path) -> None:
    opened = open_bundle(bundle)

    assert opened.manifest.labels == ["disc", "square"]
    assert set(opened.manifest.files) == {"model.onnx", "tokenizer.json", "evaluation.json"}
    assert opened.tokenizer == (bundle / "tokenizer.json").read_bytes()
    assert opened.evaluation is not None
    assert opened.evaluation["metrics"] == opened.manifest.metrics
    assert opened.digest == digest_bytes((bundle / "manifest.json").read_bytes())
    assert opened.reference is None


def test_sealing_again_takes_new_digests_and_keeps_the_rest(bundle: Path) -> None:
    before = open_bundle(bundle)
    (bundle / "CARD.md").write_text("# new")

    after = seal(bundle, before.manifest.model_copy(update={"thresholds": [0.25, 0.75]}))

    assert open_bundle(bundle).manifest == after
    assert after.thresholds == [0.25, 0.75]
    assert after.files == {**before.manifest.files, "CARD.md": digest_bytes(b"# new")}


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "evaluation.json", "manifest.json"])
def test_one_flipped_bit_anywhere_in_a_file_names_that_file(
    bundle: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (bundle / name).read_bytes()
    if name != "manifest.json":  # which has to be parsed, to know the digests
        monkeypatch.setattr(json, "loads", _only(json.loads, (bundle / "manifest.json").read_bytes()))

    for place in sorted({0, len(content) // 3, len(content) // 2, len(content) - 2}):
        (bundle / name).write_bytes(_flipped(content, place))
        with pytest.raises(BundleError, match=name.replace(".", r"\.")):
            open_bundle(bundle)


def test_every_single_bit_of_the_manifest_is_guarded(bundle: Path) -> None:
    content = (bundle / "manifest.json").read_bytes()

    for place in range(len(content) - 1):  # the last is a line end
        (bundle / "manifest.json").write_bytes(_flipped(content, place, bit=place % 8))
        with pytest.raises(BundleError):
            open_bundle(bundle)


def test_names_every_missing_damaged_and_strange_file_at_once(bundle: Path) -> None:
    (bundle / "model.onnx").unlink()
    (bundle / "tokenizer.json").write_bytes(b"{}")
    (bundle / "model.onnx.data").write_bytes(b"weights that nobody vouches for")
    (bundle / ".DS_Store").write_bytes(b"what macOS drops everywhere")

    with pytest.raises(BundleError) as caught:
        open_bundle(bundle)

    assert caught.value.message.splitlines()[1:] == [
        "  model.onnx: missing",
        "  tokenizer.json: damaged, its digest is not the one in the manifest",
        "  model.onnx.data: not part of the bundle, remove it",
    ]


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is no bundle: it has no manifest\.json"):
        open_bundle(tmp_path)
    with pytest.raises(BundleError, match="is no bundle"):
        open_bundle(tmp_path / "not there")


@pytest.mark.parametrize("strange", ["a folder", "two words.bin"])
def test_does_not_seal_what_cannot_be_in_a_bundle(bundle: Path, strange: str) -> None:
    manifest = open_bundle(bundle).manifest
    if strange == "a folder":
        (bundle / "folder").mkdir()
    else:
        (bundle / strange).write_bytes(b"")

    with pytest.raises(ValueError, match="not plain files"):
        seal(bundle, manifest)


def test_does_not_seal_a_text_bundle_without_its_tokenizer(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    (bundle / "tokenizer.json").unlink()

    with pytest.raises(ValueError, match=r"missing \['tokenizer.json'\]"):
        seal(bundle, manifest)


def _flipped(content: bytes, place: int, bit: int = 0) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def _only(loads: Any, allowed: bytes) -> Any:
    def guarded(data: bytes, *args: Any, **options: Any) -> Any:
        assert data == allowed, "parsed before its digest was checked"
        return loads(data, *args, **options)

    return guarded
