"""A smaller or faster version of a model is registered where it is as good, and refused where it is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from holdfast.bundle import Bundle, open_bundle, seal
from holdfast.config.schema import OptimizeConfig
from holdfast.core.errors import ConfigError, DataError, HoldfastError, RefError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import open_version
from holdfast.data.version import Version
from holdfast.export import dynamic_int8, read_temperature, set_temperature
from holdfast.registry import Registry
from holdfast.serve.engine import Engine
from holdfast.workflows import candidates, optimizing
from holdfast.workflows.candidates import Bench, Candidate, pick
from holdfast.workflows.evaluating import config_of
from holdfast.workflows.optimizing import optimize_model
from holdfast.workflows.recalibrating import recalibrate
from holdfast.workflows.training import train_run
from tests.journey import Road, answer, holdfast, overrides


@pytest.fixture
def workspace(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the road's, on a machine where what is made takes half the time."""
    for part in ("datasets", "models", "runs"):
        shutil.copytree(getattr(road.workspace, part), tmp_path / "home" / part)
    monkeypatch.setattr(Bench, "_latencies", lambda self, bundle: (1.0, 0.5))
    return Workspace(tmp_path / "home")


@pytest.fixture
def ruined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only way to make it smaller turns the answers round."""

    def ruin(graph: Path) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            proto = onnx.load(graph)
            for entry in proto.graph.initializer:
                if entry.name.startswith("model.head."):
                    entry.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(entry), entry.name))
            onnx.save(proto, path)

        return write

    def only(bench: Bench) -> list[Candidate]:
        made = bench.attempt("ruin", ruin(bench.original.model))
        return [made] if made else []

    monkeypatch.setattr(optimizing, "int8_candidates", only)


def bundle_of(workspace: Workspace, ref: str) -> Bundle:
    return open_bundle(Registry(workspace.models).path(parse_ref(ref)))


def test_what_is_as_good_becomes_a_version_that_says_where_it_comes_from(workspace: Workspace) -> None:
    told = optimize_model("shapes", workspace, way="int8")

    made, original = bundle_of(workspace, "shapes@2"), bundle_of(workspace, "shapes@1")
    origin = made.manifest.provenance
    assert (told["model"], told["accepted"], told["original"]) == ("shapes@2", True, "shapes@1")
    assert origin["optimized_from"] == "shapes@1"
    assert origin["optimized_digest"] == original.digest
    assert origin["optimized"] == told["how"]
    assert origin["run"] == original.manifest.provenance["run"]
    assert made.manifest.parity == told["parity"]
    assert made.evaluation is not None
    assert made.evaluation["metrics"] == made.manifest.metrics
    assert made.evaluation["baselines"] == (original.evaluation or {})["baselines"]
    assert made.evaluation["optimized"]["table"] == told["table"]
    assert "the model it was made from" in (made.folder / "CARD.md").read_text()
    assert made.golden is not None
    assert Registry(workspace.models).aliases("shapes") == {"champion": 1}
    assert Registry(workspace.models).verify(parse_ref("shapes@2")) == []


def test_its_answers_are_those_of_the_original(workspace: Workspace) -> None:
    told = optimize_model("shapes", workspace)

    with open_version(workspace.datasets, parse_ref("shapes")) as version:
        items = [version.read(int(row)) for row in version.indices("test")]
    before, after = (Engine(bundle_of(workspace, f"shapes@{n}")).predict(items) for n in (1, 2))
    apart = np.abs(before.probabilities - after.probabilities).max()
    assert apart == pytest.approx(told["parity"]["max_difference"], abs=1e-6)
    assert apart < 0.2
    assert told["table"]["size_mb"]["optimized"] < told["table"]["size_mb"]["original"]


def test_the_same_again_is_the_same_version(workspace: Workspace) -> None:
    first = optimize_model("words@1", workspace)

    again = optimize_model("words@1", workspace)

    assert (first["model"], again["model"]) == ("words@2", "words@2")


@pytest.mark.usefixtures("ruined")
def test_what_loses_more_than_the_budget_is_refused_and_the_table_shown(workspace: Workspace) -> None:
    done = holdfast("optimize", "shapes", "--budget", "2", home=workspace.home, expect=1)

    assert "nothing made from shapes@1: ruin" in done.stdout
    assert "points of macro_f1 on 16 held-out samples, more than the budget of 2" in done.stdout
    assert "size_mb" in done.stdout
    assert "tried, with points on 8 samples of the valid split:" in done.stdout
    assert Registry(workspace.models).versions("shapes") == [1]


@pytest.mark.usefixtures("ruined")
def test_a_budget_without_end_takes_anything(workspace: Workspace) -> None:
    told = answer("optimize", "shapes", "optimize.budget=200", home=workspace.home)

    assert (told["accepted"], told["model"]) == (True, "shapes@2")
    assert told["difference"]["low"] <= told["difference"]["points"] <= told["difference"]["high"]
    assert told["difference"]["points"] < -10


def test_what_is_slower_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "_latencies", lambda self, bundle: (1.0, 2.0))
    monkeypatch.setattr(candidates, "METHODS", ("minmax",))

    told = optimize_model("shapes", workspace)

    assert told["model"] is None
    assert "slower than the original: 2.00 times its time" in told["reason"]
    assert told["reason"].endswith("at most 1.1 times is taken")


def test_what_gains_nothing_is_told_what_would_count() -> None:
    same = {name: {"original": 1.0, "optimized": 0.97} for name in ("size_mb", "latency_ms")}
    told = {"difference": {"points": 0.0}, "headline": "macro_f1", "samples": 9, "table": same}

    assert optimizing._against(told, OptimizeConfig(), None) == (
        "it is neither faster (0.97 of the time; 0.95 or less counts) "
        "nor smaller (0.97 of the size; 0.9 or less counts)"
    )


def test_half_precision_says_where_it_pays(workspace: Workspace) -> None:
    told = answer("optimize", "shapes", "--fp16", home=workspace.home)

    assert told["how"] == "fp16"
    assert told["parity"]["equal_labels"] == 1.0
    assert "half precision pays on a GPU" in " ".join(told["notes"])


def test_many_labels_keep_their_thresholds_where_they_hold(workspace: Workspace) -> None:
    told = optimize_model("colours", workspace)

    original, made = bundle_of(workspace, "colours@1"), bundle_of(workspace, "colours@2")
    assert told["calibration"]["thresholds"]["held"] is True
    assert made.manifest.thresholds == original.manifest.thresholds
    assert told["headline"] == "average_precision"


def test_a_temperature_that_does_not_hold_is_fitted_anew(workspace: Workspace, tmp_path: Path) -> None:
    original = bundle_of(workspace, "words@1")
    right = read_temperature(original.model)
    shutil.copytree(original.folder, tmp_path / "draft")
    set_temperature(tmp_path / "draft/model.onnx", 15 * right)
    seal(tmp_path / "draft", original.manifest)

    with open_version(workspace.datasets, parse_ref("words")) as version:
        # what `recalibrate` is told is the temperature of a graph is that of its original
        far = open_bundle(tmp_path / "draft")
        made, told = recalibrate(far, far, version, config_of(original, workspace))

    assert told["temperature"]["held"] is False
    assert read_temperature(made.model) == pytest.approx(right, rel=0.05)


def test_ranges_taken_from_a_batch_are_taken_from_one_sample_alone(
    workspace: Workspace, tmp_path: Path
) -> None:
    original = bundle_of(workspace, "sounds@1")
    with open_version(workspace.datasets, parse_ref("sounds")) as version:
        bench = Bench(original, version, config_of(original, workspace), OptimizeConfig(), tmp_path)
        made = bench.attempt("dynamic", lambda path: dynamic_int8(original.model, path))
        items = [version.read(row) for row in range(8)]
    assert made is not None
    assert made.bundle.alone

    engine = Engine(made.bundle, batch=8)

    together = engine.predict(items).probabilities
    alone = np.concatenate([engine.predict([item]).probabilities for item in items])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_fastest_inside_the_budget_is_picked_and_of_equals_the_nearest() -> None:
    def made(how: str, latency: float, points: float, apart: float) -> Candidate:
        return Candidate(how, None, latency, 1.0, points, apart)  # type: ignore[arg-type]

    slow, near = made("slow", 0.9, 0, 0.001), made("near", 0.52, -0.2, 0.01)
    far, bad = made("far", 0.5, 0.1, 0.02), made("bad", 0.3, -3.0, 0.5)

    assert pick([slow, far, near, bad], 0.5) is near
    assert pick([bad, made("worse", 0.2, -9, 0.9)], 0.5) is bad


def test_seven_bits_are_tried_where_eight_saturate(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "saturates", lambda: True)
    monkeypatch.setattr(candidates, "METHODS", ("minmax",))

    told = optimize_model("shapes", workspace)

    assert told["how"].endswith("weights of 7 bits")


def test_a_pruned_network_learns_again_from_where_its_run_left_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "METHODS", ("minmax",))
    train_run("shapes", workspace, overrides=[*overrides("shapes"), "model.width=32", "train.epochs=1"])

    told = optimize_model("shapes@2", workspace, way="prune+int8", overrides=["optimize.budget=100"])

    assert told["model"] == "shapes@3"
    assert told["how"].startswith("50% of the channels, int8 static")
    shapes = {
        entry.name: list(entry.dims)
        for entry in onnx.load(bundle_of(workspace, "shapes@3").model).graph.initializer
    }
    assert shapes["model.head.weight"] == [2, 16]


def test_what_cannot_be_pruned_says_so(workspace: Workspace) -> None:
    done = holdfast("optimize", "words", "--prune", home=workspace.home, expect=1)

    assert "words@1 cannot be pruned: text_small has no channels" in done.stderr


def test_without_its_run_a_model_cannot_be_pruned(workspace: Workspace) -> None:
    shutil.rmtree(workspace.runs)

    with pytest.raises(HoldfastError, match="the weights that its training wrote are gone, with its run"):
        optimize_model("shapes", workspace, way="prune")


def test_an_optimised_model_is_not_optimised_again(workspace: Workspace) -> None:
    optimize_model("words", workspace)

    with pytest.raises(HoldfastError, match="words@2 is optimised already: int8 tables, from words@1"):
        optimize_model("words", workspace)


def test_a_model_that_is_not_there_is_told(workspace: Workspace) -> None:
    with pytest.raises(RefError, match="did you mean 'shapes'"):
        optimize_model("shape", workspace)


def test_without_its_data_nothing_can_be_shown(workspace: Workspace) -> None:
    shutil.rmtree(workspace.datasets / "shapes")

    with pytest.raises(RefError, match="learnt from shapes@1, which is not here any more") as error:
        optimize_model("shapes", workspace)

    assert "data pull" in (error.value.hint or "")


def test_other_data_of_that_name_will_not_do(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(workspace.datasets / "shapes")
    shutil.copytree(workspace.datasets / "sounds", workspace.datasets / "shapes")
    for info in (workspace.datasets / "shapes").rglob("*.json"):
        info.write_text(info.read_text().replace('"sounds"', '"shapes"'))
    monkeypatch.setattr(Version, "refuse_altered", lambda self: None)

    with pytest.raises(DataError, match="is not the data that shapes@1 learnt from"):
        optimize_model("shapes", workspace)


def test_without_held_out_samples_nothing_can_be_shown(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Version, "indices", lambda self, split, headline=False: np.arange(0))

    with pytest.raises(DataError, match="no held-out samples"):
        optimize_model("shapes", workspace)


def test_what_has_nothing_to_halve_says_so(workspace: Workspace) -> None:
    done = holdfast("optimize", "words", "--fp16", home=workspace.home, expect=1)

    assert "words@1 cannot be made smaller so: fp16:" in done.stderr
    assert "no layers that half precision would make smaller" in done.stderr


def test_one_way_at_a_time(workspace: Workspace) -> None:
    done = holdfast("optimize", "words", "--fp16", "--int8", "--json", home=workspace.home, expect=1)

    assert json.loads(done.stderr)["error"] == "--fp16 does not go with --int8"


def test_a_setting_out_of_range_is_told(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"optimize\.budget"):
        optimize_model("words", workspace, overrides=["optimize.budget=-1"])
