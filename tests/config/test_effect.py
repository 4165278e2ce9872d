"""What is read is not warned about, and what is not read is."""

from pathlib import Path

import pytest

from holdfast.config import load_config
from holdfast.config.compose import recipes
from holdfast.config.effect import _READ, deciders, without_effect


def unused(*overrides: str, recipe: str = "image", file: Path | None = None) -> list[str]:
    resolved = load_config(overrides, recipe=recipe, files=[file] if file else [])
    return without_effect(resolved.config, resolved.chosen)


@pytest.mark.parametrize(
    ("recipe", "overrides", "said"),
    [
        (
            "text",
            ["augment.crop=0.5"],
            "augment.crop has no effect: it needs prepare.modality=image, but that is text",
        ),
        (
            "image",
            ["model.name=hf", "model.source=tiny", "model.depth=8"],
            "model.depth has no effect: it needs model.name=resnet_small|mel_cnn_small|mel_transformer_small|"
            "text_small|text_ngrams, but that is hf",
        ),
        (
            "image",
            ["optim.momentum=0.5"],
            "optim.momentum has no effect: it needs optim.name=sgd, but that is adamw",
        ),
        (
            "image",
            ["augment.strength=0.2"],
            "augment.strength has no effect: it needs augment.operations above 0, but that is 0",
        ),
        (
            "text",
            ["prepare.tokenizer=mine.json", "prepare.vocab=300"],
            "prepare.vocab has no effect: it needs prepare.tokenizer=null, but that is mine.json",
        ),
    ],
)
def test_a_chosen_setting_that_nothing_reads_is_named(recipe: str, overrides: list[str], said: str) -> None:
    assert unused(*overrides, recipe=recipe) == [said]


def test_a_chosen_setting_that_is_read_is_not_named() -> None:
    assert unused("model.width=48", "augment.crop=0.5", "augment.operations=2", "augment.strength=0.1") == []
    assert unused("prepare.mels=80", "augment.pitch=2", recipe="audio") == []
    assert unused("prepare.mels=80", "size=full", "prepare.min_mel_std=3", recipe="audio") == []


@pytest.mark.parametrize("recipe", recipes())
@pytest.mark.parametrize("size", ["small", "full"])
def test_what_a_recipe_leaves_behind_is_not_named(recipe: str, size: str, tmp_path: Path) -> None:
    assert unused(f"size={size}", recipe=recipe) == []


def test_a_stored_configuration_names_nothing_that_its_recipe_left_behind(tmp_path: Path) -> None:
    import yaml

    stored = load_config(["size=full"], recipe="audio").config.model_dump(mode="json")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(stored))

    assert unused(file=file) == []


def test_the_table_names_settings_that_exist() -> None:
    known = {key for recipe in ("image", "audio", "text") for key in load_config(recipe=recipe).sources}

    assert _READ.keys() <= known
    assert {decider for key in _READ for decider in deciders(key)} <= known
