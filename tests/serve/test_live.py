"""A model is in service only after it has answered its golden samples as it must."""

import asyncio
import json
from pathlib import Path

import pytest

from holdfast.bundle import open_bundle, seal, write_golden
from holdfast.config.schema import ServeConfig
from holdfast.core.errors import BundleError
from holdfast.core.media import Modality
from holdfast.serve.curve import NAME
from holdfast.serve.engine import Engine
from holdfast.serve.live import Live
from holdfast.testing.bundles import toy_bundle, toy_item


def with_golden(folder: Path, modality: Modality = "image", *, off: float = 0.0) -> Engine:
    engine = Engine(open_bundle(toy_bundle(folder, modality=modality)), threads=2)
    items = [toy_item(modality, seed) for seed in range(3)]
    given = engine.predict(items).probabilities
    write_golden(folder / "golden.json", items, abs(given - off), 1e-3)
    seal(folder, engine.manifest)
    return Engine(open_bundle(folder), threads=2)


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_a_model_that_answers_as_it_must_is_in_service(tmp_path: Path, modality: Modality) -> None:
    async def go() -> None:
        live = Live(with_golden(tmp_path / "bundle", modality), ServeConfig(), "toys@1")
        await live.start()
        (answer,) = await live.answers([toy_item(modality, 1)])
        assert not isinstance(answer, BaseException)
        assert live.rows == 0
        await live.close()

    asyncio.run(go())


def test_a_model_that_answers_otherwise_is_not(tmp_path: Path) -> None:
    async def go() -> None:
        live = Live(with_golden(tmp_path / "bundle", off=0.01), ServeConfig(), "toys@1")
        try:
            await live.start()
        finally:
            await live.close()

    with pytest.raises(BundleError, match=r"toys@1 answers its golden samples otherwise .* by 0\.01 in"):
        asyncio.run(go())


def test_how_much_goes_together_is_measured_in_a_lull_and_known_at_the_next_start(tmp_path: Path) -> None:
    engine = with_golden(tmp_path / "bundle")

    async def go() -> None:
        live = Live(engine, ServeConfig(), "toys@1")
        await live.start()
        while not (tmp_path / "bundle" / NAME).exists():
            await asyncio.sleep(0.02)
        await live.close()

    asyncio.run(asyncio.wait_for(go(), 30))
    (known,) = json.loads((tmp_path / "bundle" / NAME).read_text()).values()
    assert known["most"] in (1, 2, 4, 8)
