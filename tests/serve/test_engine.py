import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from holdfast.bundle import Manifest, open_bundle, seal
from holdfast.bundle.manifest import read_manifest
from holdfast.core.errors import BundleError, InputError
from holdfast.core.media import Modality
from holdfast.modality import prepare
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_bundle, toy_item

MODALITIES: tuple[Modality, ...] = ("image", "audio", "text")


@pytest.fixture(scope="module", params=MODALITIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_bundle(tmp_path_factory.mktemp("engine") / "bundle", modality=request.param)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    return Engine(open_bundle(folder), threads=2, batch=4)


def test_answers_what_the_graph_says_of_the_decoded_sample(engine: Engine, folder: Path) -> None:
    item = toy_item(engine.manifest.modality, seed=5)
    parts = prepare(engine.manifest.prepare, engine.bundle.tokenizer).decode(item)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    rows = [session.run(["probabilities", "embedding"], {"input": part[None]}) for part in parts]

    answer = engine.predict([item])

    expected, embeddings = (np.concatenate(output) for output in zip(*rows, strict=True))
    np.testing.assert_allclose(answer.parts[0], expected, atol=1e-6)
    np.testing.assert_allclose(answer.probabilities, [expected.mean(axis=0)], atol=1e-6)
    np.testing.assert_allclose(answer.embeddings, [embeddings.mean(axis=0)], atol=1e-6)
    assert engine.labels_of(answer.probabilities) == [[engine.labels[int(expected.mean(axis=0).argmax())]]]


def test_answers_the_same_alone_in_batches_and_from_many_threads(engine: Engine) -> None:
    items = [toy_item(engine.manifest.modality, seed) for seed in range(11)]
    alone = [engine.predict([item]) for item in items]

    together = engine.predict(items)
    decoded = engine.predict_parts([engine.decode(item) for item in items])
    with ThreadPoolExecutor(8) as pool:
        threads = list(pool.map(lambda item: engine.predict([item]), items * 5))

    one_by_one = np.concatenate([answer.probabilities for answer in alone])
    np.testing.assert_allclose(together.probabilities, one_by_one, atol=1e-6)
    np.testing.assert_allclose(decoded.probabilities, one_by_one, atol=1e-6)
    np.testing.assert_allclose(
        np.concatenate([answer.probabilities for answer in threads]), np.tile(one_by_one, (5, 1)), atol=1e-6
    )
    assert [len(part) for part in together.parts] == [len(answer.parts[0]) for answer in alone]
    assert len(together) == 11


def test_a_graph_that_must_see_one_sample_at_a_time_does(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "alone")
    known = read_manifest((folder / "manifest.json").read_bytes(), "manifest.json")
    seal(tmp_path / "alone", known.model_copy(update={"provenance": {**known.provenance, "alone": True}}))

    engine = Engine(open_bundle(tmp_path / "alone"), batch=4)

    assert engine.batch == 1


def test_no_samples_give_no_rows(engine: Engine) -> None:
    answer = engine.predict([])

    assert answer.probabilities.shape == (0, 2)
    assert answer.embeddings.shape[0] == 0
    assert answer.parts == []


def test_a_sample_that_cannot_be_decoded_is_named_by_its_index(engine: Engine) -> None:
    good = toy_item(engine.manifest.modality)

    with pytest.raises(InputError) as alone:
        engine.predict([b""])
    with pytest.raises(InputError) as among:
        engine.predict([good] * 5 + [b""] + [good])

    assert among.value.message == f"item 5: {alone.value.message}"


def test_many_labels_are_given_from_their_thresholds_on(tmp_path: Path) -> None:
    folder = toy_bundle(tmp_path / "bundle", task="multi", labels=("a", "b", "c"))
    manifest = open_bundle(folder).manifest
    seal(folder, manifest.model_copy(update={"thresholds": [0.3, 0.5, 0.9]}))

    given = Engine(open_bundle(folder)).labels_of(np.array([[0.3, 0.49, 0.9], [0.2, 0.1, 0.1]]))

    assert given == [["a", "c"], []]


def test_only_sounds_have_spans(engine: Engine) -> None:
    spans = engine.spans(2)

    assert spans is None if engine.manifest.modality != "audio" else spans == [(0.0, 0.5), (0.25, 0.75)]


def test_a_graph_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "bundle"))
    (broken / "model.onnx").write_bytes(b"not a graph")
    seal(broken, open_bundle(folder).manifest)

    with pytest.raises(BundleError, match="onnxruntime cannot load"):
        Engine(open_bundle(broken))


def test_a_graph_that_does_not_fit_its_manifest_is_refused(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "bundle"))
    seal(other, open_bundle(folder).manifest.model_copy(update={"labels": ["a", "b", "c"]}))

    with pytest.raises(BundleError, match=r"of shape \(1, 2\) for one sample, but the manifest has 3 labels"):
        Engine(open_bundle(other))


def test_a_graph_of_other_names_is_refused(tmp_path: Path) -> None:
    import onnx

    folder = toy_bundle(tmp_path / "bundle")
    graph = onnx.load(folder / "model.onnx")
    graph.graph.output.pop()
    onnx.save(graph, folder / "model.onnx")
    seal(folder, _manifest(folder))

    with pytest.raises(BundleError, match=r"gives \['probabilities'\]; it should"):
        Engine(open_bundle(folder))


def test_probabilities_that_are_not_numbers_are_not_served(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    folder = toy_bundle(tmp_path / "bundle")
    graph = onnx.load(folder / "model.onnx")
    for initializer in graph.graph.initializer:
        if initializer.name == "bias":
            initializer.CopyFrom(numpy_helper.from_array(np.array([np.nan, 0], np.float32), "bias"))
    onnx.save(graph, folder / "model.onnx")
    seal(folder, _manifest(folder))

    with pytest.raises(BundleError, match="gives probabilities that are not numbers"):
        Engine(open_bundle(folder)).predict([toy_item("image")])


def test_answers_where_nothing_of_training_can_be_imported(
    folder: Path, engine: Engine, tmp_path: Path
) -> None:
    item = toy_item(engine.manifest.modality, seed=7)
    (tmp_path / "item").write_bytes(item)

    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TRAINING, str(folder), str(tmp_path / "item")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    found = [float(value) for value in done.stdout.split()]
    np.testing.assert_allclose(found, engine.predict([item]).probabilities[0], atol=1e-6)


def _manifest(folder: Path) -> Manifest:
    """The manifest of a bundle whose files may have been changed since it was sealed."""
    return read_manifest((folder / "manifest.json").read_bytes(), "manifest.json")


_WITHOUT_TRAINING = """
import sys
from pathlib import Path

BLOCKED = {"torch", "transformers", "pyarrow", "onnx", "onnxscript", "safetensors", "sklearn", "scipy"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
from holdfast.bundle import open_bundle
from holdfast.serve.engine import Engine

answer = Engine(open_bundle(Path(sys.argv[1]))).predict([Path(sys.argv[2]).read_bytes()])
print(*answer.probabilities[0])
assert not BLOCKED & set(sys.modules)
"""
