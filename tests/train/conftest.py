"""Toy datasets of each kind in a store, with what a training of seconds needs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.config import Config, load_config
from holdfast.core.refs import Ref
from holdfast.data import SourceOptions, Version, ingest, open_version
from holdfast.modality import Preparation, learn_tokenizer, prepare, probe
from holdfast.testing import toys
from holdfast.tracking import Run, open_run

_SHORT = ("train.epochs=3", "train.batch=8", "model.width=16", "model.depth=2", "device.threads=1")
_OWN = {
    "image": ("prepare.size=16", "augment.erase=0.2"),
    "attributes": ("prepare.size=16", "loss.class_weights=balanced"),
    "audio": ("prepare.window_s=0.5", "prepare.hop_s=0.25"),
    "text": ("prepare.vocab=400",),
    "bytes": ("prepare.vocab=258", "model.name=text_ngrams", "optim.name=sgd", "optim.lr=0.05"),
}
_VOCABS = {"text": 400, "bytes": 258}


@dataclass(frozen=True)
class Toy:
    """What `fit` is given, but for the run."""

    version: Version
    store: Path
    settings: tuple[str, ...]
    tokenizer: bytes | None

    def config(self, *overrides: str) -> Config:
        """The configuration of a short training."""
        return load_config([*self.settings, *overrides], recipe=self.version.info.modality).config

    def preparation(self, config: Config) -> Preparation:
        return prepare(config.prepare, self.tokenizer)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Toy]:
    """A toy dataset by its kind: image, audio, text, bytes of text, or attributes for many labels."""
    folder = tmp_path_factory.mktemp("toys")
    made: dict[str, Toy] = {}

    def make(kind: str) -> Toy:
        if kind not in made:
            source = {
                "image": lambda: toys.write_images(
                    folder / "image", classes=("wide", "narrow"), per_class=40, size=16
                ),
                "attributes": lambda: toys.write_attributes(folder / "attributes", samples=120, size=16),
                "audio": lambda: toys.write_sounds(folder / "audio", per_class=20),
                "text": lambda: toys.write_texts(folder / "text.csv"),
                "bytes": lambda: toys.write_texts(folder / "bytes.csv"),
            }[kind]()
            options = SourceOptions(group="person_id" if kind == "attributes" else None)
            ingest(source, folder / "store", kind, options=options, probe=probe)
            version = open_version(folder / "store", Ref(kind))
            texts = (version.read(int(i)).decode() for i in version.indices("train"))
            tokenizer = learn_tokenizer(texts, _VOCABS[kind]) if kind in _VOCABS else None
            made[kind] = Toy(version, folder / "store", (*_SHORT, *_OWN[kind]), tokenizer)
        return made[kind]

    return make


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., Run]:
    """A run, or the one with the same key taken up again."""

    def make(key: str = "key") -> Run:
        return open_run(tmp_path / "runs", name="toy", key=key, details={"config": {}, "dataset": "toy@1"})

    return make
