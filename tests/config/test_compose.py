from pathlib import Path

import pytest

from holdfast.config import Config, load_config
from holdfast.config.compose import recipes, validate
from holdfast.core.errors import ConfigError


def problems(error: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return [line.strip() for line in error.value.message.splitlines()[1:]]


@pytest.mark.parametrize("name", recipes())
def test_each_recipe_is_whole(name: str) -> None:
    config = load_config(recipe=name).config

    assert config.recipe == name
    assert Config.model_validate(config.model_dump()) == config


def test_later_wins_and_each_value_knows_its_source(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("optim: {lr: 1e-4, clip: 2}\n")

    resolved = load_config(["optim.clip=3"], recipe="audio", files=[file])

    assert (resolved.config.optim.lr, resolved.config.optim.clip) == (1e-4, 3.0)
    assert resolved.sources["optim.lr"] == str(file)
    assert resolved.sources["optim.clip"] == "command line"
    assert resolved.sources["prepare.rate"] == "recipe audio"
    assert resolved.sources["optim.momentum"] == "default"


def test_a_file_can_name_the_recipe_and_the_command_line_another(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("recipe: text\n")

    assert load_config(files=[file]).config.prepare.modality == "text"
    assert load_config(["recipe=audio"], files=[file]).config.prepare.modality == "audio"


def test_all_problems_of_a_file_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("train: {epochs: ten, batch: -1}\noptim: {warmpu: 0.1, schedule: cosin}\n")

    with pytest.raises(ConfigError) as error:
        load_config(files=[file])

    assert error.value.message.startswith(f"{file} has 4 problems:")
    assert sorted(problems(error)) == [
        "optim.schedule: expected 'cosine', 'linear', 'step' or 'constant', got 'cosin'; "
        "did you mean 'cosine'?",
        "optim.warmpu: unknown setting; did you mean 'warmup'?",
        "train.batch: input should be greater than or equal to 1, got -1",
        "train.epochs: expected a whole number, got 'ten'",
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optim.lr=abc"], "optim.lr: expected a number, got 'abc'"),
        (["optim.lr=-1"], "optim.lr: input should be greater than 0, got -1"),
        (["prepare.sizee=3"], "prepare.sizee: unknown setting; did you mean 'size'?"),
        (["seed=5"], "seed: unknown setting; did you mean 'train.seed'?"),
        (["model.lr=5"], "model.lr: unknown setting; did you mean 'optim.lr'?"),
        (["mels=5"], "mels: unknown setting; did you mean 'prepare.mels'?"),
        (["threads=1"], "did you mean 'device.threads' or 'serve.threads'?"),
        (
            ["track.mlflow_uri=notaurl"],
            "track.mlflow_uri: 'notaurl' is neither an address, such as http://127.0.0.1:5000, nor a folder",
        ),
        (["recipe=audio", "prepare.f_max=9000"], r"f_max \(9000.0\) is above half of rate \(16000\)"),
        (["recipe=audoi"], "no recipe 'audoi'; did you mean 'audio'?"),
        (["optim.lr=1,2"], "`holdfast sweep` tries several"),
        (["no override"], "write KEY=VALUE"),
    ],
)
def test_says_what_is_wrong_with_an_override(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(overrides)


@pytest.mark.parametrize(
    ("content", "message"), [("a: [", "is not YAML"), ("- 1\n", "holds no settings"), (None, "no file")]
)
def test_says_what_is_wrong_with_a_file(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "file.yaml"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigError, match=message):
        load_config(files=[file])


def test_a_stored_configuration_runs_again() -> None:
    stored = load_config(["optim.lr=1e-4"], recipe="text").config.model_dump()

    assert validate(stored).optim.lr == 1e-4


@pytest.mark.parametrize("recipe", recipes())
def test_the_full_size_of_each_recipe_tunes_a_pretrained_network(recipe: str) -> None:
    config = load_config(["size=full"], recipe=recipe).config

    assert config.model.name == "hf"
    assert config.model.source
    assert config.prepare.modality != "image" or config.prepare.size == 224


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.name=hf", "name=hf needs a source: a folder, or a name such as microsoft/resnet-50"),
        ("model.tune=head", "tune=head needs name=hf: resnet_small has nothing learnt to keep"),
        ("model.source=somewhere", "source is for name=hf, but name is resnet_small"),
    ],
)
def test_what_tuning_needs_is_said(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config([override])

    assert message in str(error.value)


def test_one_number_stands_for_all_channels() -> None:
    prepare = load_config(["prepare.mean=0.4", "prepare.std=[0.1,0.2,0.3]"]).config.prepare

    assert prepare.model_dump(include={"mean", "std"}) == {"mean": (0.4, 0.4, 0.4), "std": (0.1, 0.2, 0.3)}


def test_a_network_of_one_size_refuses_pictures_that_grow() -> None:
    with pytest.raises(ConfigError) as error:
        load_config(["model.name=hf", "model.source=tiny", "augment.first_side=16"])

    assert problems(error) == [
        "augment.first_side is 16, but networks of Hugging Face see one size; leave it at 0"
    ]
