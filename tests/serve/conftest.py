"""Real servers on loopback over toy bundles."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.core.media import Modality, Task
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.bundles import toy_bundle
from tests.journals import Source

Serve = Callable[..., AbstractContextManager[tuple[httpx.Client, Engine]]]
LABELS = ("heron", "<b>gull</b>", "owl & wren")


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Modality, Task], Engine]]:
    """Engines over toy bundles, made once each."""
    made: dict[tuple[Modality, Task], Engine] = {}

    def engine(modality: Modality, task: Task = "single") -> Engine:
        if (modality, task) not in made:
            folder = tmp_path_factory.mktemp("bundles") / f"{modality}-{task}"
            bundle = open_bundle(toy_bundle(folder, modality=modality, task=task, labels=LABELS))
            made[modality, task] = Engine(bundle, threads=2)
        return made[modality, task]

    yield engine
    for it in made.values():
        it.close()


@contextmanager
def serving(engine: Engine, **settings: Any) -> Iterator[httpx.Client]:
    """A client of a real server over an engine."""
    config = ServeConfig(port=0, threads=2, **settings)
    with (
        running(create_app(engine, config, ref="toys@3"), config) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def clients(engines: Callable[..., Engine]) -> Iterator[Callable[..., httpx.Client]]:
    """Clients of real servers with default settings, one for each modality and task."""
    with ExitStack() as stack:
        made: dict[tuple[Modality, Task], httpx.Client] = {}

        def client(modality: Modality, task: Task = "single") -> httpx.Client:
            if (modality, task) not in made:
                made[modality, task] = stack.enter_context(serving(engines(modality, task)))
            return made[modality, task]

        yield client


@pytest.fixture
def serve() -> Callable[..., AbstractContextManager[httpx.Client]]:
    """For servers with settings of their own."""
    return serving


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine over pictures that a test may break."""
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle", labels=LABELS)), threads=2)
    yield engine
    engine.close()


@pytest.fixture
def source(engines: Callable[..., Engine]) -> Source:
    """Notes made-up answers in journals."""
    return Source(engines("image"))
