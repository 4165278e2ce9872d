"""A real server for the client, of each modality."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client
from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.core.media import Modality
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.bundles import toy_bundle

Serve = Callable[..., AbstractContextManager[Client]]


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Modality], Engine]]:
    made: dict[Modality, Engine] = {}

    def engine(modality: Modality) -> Engine:
        if modality not in made:
            folder = tmp_path_factory.mktemp("bundles") / modality
            bundle = open_bundle(toy_bundle(folder, modality=modality, labels=("heron", "gull", "owl")))
            made[modality] = Engine(bundle, threads=2)
        return made[modality]

    yield engine
    for it in made.values():
        it.close()


@pytest.fixture
def serve(engines: Callable[[Modality], Engine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Serve:
    """A client of a server with settings of its own."""
    monkeypatch.delenv("HOLDFAST_API_KEY", raising=False)

    @contextmanager
    def serving(modality: Modality = "image", key: str | None = None, **settings: Any) -> Iterator[Client]:
        config = ServeConfig(port=0, threads=2, **settings)
        app = create_app(engines(modality), config, ref="toys@3")
        with running(app, config) as url, Client(url, key=key, patience_s=10) as client:
            yield client

    return serving
