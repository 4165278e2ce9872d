"""Where pretrained networks are found, and what is said when they are not."""

from pathlib import Path

import pytest

from holdfast.config.schema import ModelConfig
from holdfast.core.errors import ConfigError
from holdfast.models import pretrained
from holdfast.models.pretrained import find_pretrained


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "config.json").write_text("{}")
    (tmp_path / "net" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "net"


def named(source: object, **settings: object) -> ModelConfig:
    pretrained._find.cache_clear()
    return ModelConfig.model_validate({"name": "hf", "source": str(source), **settings})


def test_the_digest_is_that_of_what_is_read(folder: Path) -> None:
    first = find_pretrained(named(folder)).facts
    (folder / "README.md").write_text("new words")
    same = find_pretrained(named(folder)).facts
    (folder / "model.safetensors").write_bytes(b"others")
    other = find_pretrained(named(folder)).facts
    fresh = find_pretrained(named(folder, fresh=True)).facts

    assert first == same
    assert len({first["digest"], other["digest"], fresh["digest"]}) == 3
    assert "revision" not in first


def test_an_architecture_alone_has_no_files() -> None:
    found = find_pretrained(named("vit", fresh=True))

    assert found.folder is None
    assert found.tokenizer is None
    assert found.read("config.json") == {}


def test_pickles_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(ConfigError) as error:
        find_pretrained(named(folder))

    assert str(error.value) == (
        f"model.source: {str(folder)!r} has no model.safetensors, only pytorch_model.bin, a pickle, which "
        "could run code\nhint: take a model.revision that has safetensors, or convert it where you trust it: "
        "AutoModel.from_pretrained(SOURCE).save_pretrained(FOLDER)"
    )
    assert find_pretrained(named(folder, fresh=True)).folder == folder


def test_a_name_that_cannot_be_had_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*args: object, **named: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("outgoing traffic has been disabled")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)

    with pytest.raises(ConfigError) as error:
        find_pretrained(named("microsoft/resnet-50", revision="v2"))

    assert "model.source: 'microsoft/resnet-50' at revision 'v2' is no folder, and" in str(error.value)
    assert "outgoing traffic has been disabled" in str(error.value)
    assert "local folder with config.json and model.safetensors; or set HF_HOME" in str(error.value)
    assert "model.fresh=true" in str(error.value)


def test_of_a_name_neither_code_nor_pickles_are_fetched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    commit = tmp_path / "snapshots" / "abc123"
    commit.parent.mkdir()
    folder.rename(commit)
    asked = []

    def fetch(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(commit)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)

    facts = find_pretrained(named("microsoft/resnet-50")).facts

    assert facts["revision"] == "abc123"
    ((name, revision, patterns),) = asked
    assert (name, revision) == ("microsoft/resnet-50", None)
    assert not [pattern for pattern in patterns if pattern.endswith((".bin", ".py", ".pt")) or pattern == "*"]
    assert "model.safetensors" in patterns


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("./nowhere", "model.source: no folder './nowhere'"),
        ("/no/where/at/all", "model.source: no folder '/no/where/at/all'"),
    ],
)
def test_a_path_is_not_looked_for_on_the_hub(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_pretrained(named(source))


def test_a_folder_has_a_config_and_no_revisions(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder, which has no revisions"):
        find_pretrained(named(folder, revision="main"))
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        find_pretrained(named(folder))
