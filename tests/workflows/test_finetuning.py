"""A pretrained network goes the whole road, and the run says which one it was."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from holdfast.bundle import open_bundle
from holdfast.core.errors import ConfigError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import open_version
from holdfast.export import torch_probabilities
from holdfast.modality import prepare
from holdfast.models import pretrained
from holdfast.registry import Registry
from holdfast.serve.engine import Engine
from holdfast.testing.networks import write_network
from holdfast.train import load_best
from holdfast.workflows.reproducing import reproduce_run
from holdfast.workflows.training import config_for, run_key, train_run
from tests.journey import QUICK, Road

TEXTS = ("the sea and a boat with salt", "the hill and a path over stone")


def home_of(road: Road, tmp_path: Path) -> Workspace:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "datasets").symlink_to(road.workspace.datasets, target_is_directory=True)
    return Workspace(tmp_path / "home")


def settings(folder: Path, *more: str) -> list[str]:
    return ["model.name=hf", f"model.source={folder}", "train.epochs=1", "optim.lr=1e-3", *QUICK, *more]


def run_json(workspace: Workspace, result: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((workspace.runs / result["run"] / "run.json").read_text())
    return read


def test_a_reproduction_names_the_pretrained_files_and_the_tokenizer_that_changed(
    road: Road, tmp_path: Path
) -> None:
    workspace, net = home_of(road, tmp_path), write_network(tmp_path / "net", "distilbert", texts=TEXTS)
    more = ("prepare.max_tokens=48", "model.tune=head", "evaluate.baselines=false", "evaluate.bootstrap=5")
    result = train_run("words", workspace, overrides=settings(net, *more))
    weights = load_file(net / "model.safetensors")
    save_file({name: tensor * 1.1 for name, tensor in weights.items()}, net / "model.safetensors")
    tokenizer = net / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    pretrained._find.cache_clear()

    told = reproduce_run(result["run"], workspace)

    assert not told["ok"]
    assert [reason.split(":")[0] for reason in told["reasons"][:2]] == ["pretrained", "tokenizer"]


def test_a_text_network_is_tuned_exported_and_served_with_its_own_tokenizer(
    road: Road, tmp_path: Path
) -> None:
    workspace, net = home_of(road, tmp_path), write_network(tmp_path / "net", "distilbert", texts=TEXTS)
    overrides = settings(net, "prepare.max_tokens=48", "model.tune=lora")

    result = train_run("words", workspace, overrides=overrides)

    bundle = open_bundle(Registry(workspace.models).path(parse_ref(result["model"])))
    assert (bundle.folder / "tokenizer.json").read_bytes() == (net / "tokenizer.json").read_bytes()
    assert result["parity"]["max_difference"] < 1e-4
    info = run_json(workspace, result)
    assert info["facts"]["pretrained"]["source"] == "net"
    assert bundle.manifest.provenance["pretrained"] == f"net@{info['facts']['pretrained']['digest'][:12]}"
    with open_version(workspace.datasets, parse_ref("words")) as version:
        engine = Engine(bundle)
        config = config_for(version, workspace, overrides, None)
        preparation = prepare(config.prepare, (net / "tokenizer.json").read_bytes())
        model = load_best(workspace.runs / result["run"], config, version, preparation)
        temperature = bundle.evaluation["calibration"]["temperature"] if bundle.evaluation else 1.0
        for index in (0, 1, 2):
            decoded = preparation.decode(version.read(index))

            served = engine.predict([version.read(index)]).probabilities

            expected = torch_probabilities(model, decoded, temperature, "single")
            np.testing.assert_allclose(served, expected, atol=1e-5)


def test_other_weights_under_the_same_name_are_another_run(road: Road, tmp_path: Path) -> None:
    net = write_network(tmp_path / "net", "resnet")

    def key() -> str:
        pretrained._find.cache_clear()
        with open_version(road.workspace.datasets, parse_ref("shapes")) as version:
            config = config_for(version, road.workspace, settings(net, "prepare.size=32"), None)
            return run_key(config, version)

    first, same = key(), key()
    weights = load_file(net / "model.safetensors")
    weights["resnet.embedder.embedder.convolution.weight"] *= 2
    save_file(weights, net / "model.safetensors", metadata={"format": "pt"})

    assert first == same
    assert key() != first


def test_a_pretrained_text_network_without_a_tokenizer_is_refused(road: Road, tmp_path: Path) -> None:
    workspace, net = home_of(road, tmp_path), write_network(tmp_path / "net", "distilbert", texts=TEXTS)
    (net / "tokenizer.json").unlink()

    with pytest.raises(ConfigError, match=r"has no tokenizer\.json\nhint: write one with AutoTokenizer"):
        train_run("words", workspace, overrides=settings(net))
