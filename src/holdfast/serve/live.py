"""A model that answers: its engine, its queue, and what it says of itself."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from holdfast.config.schema import ServeConfig
from holdfast.core.errors import InputError
from holdfast.serve import openapi
from holdfast.serve.batching import Answer, Batcher
from holdfast.serve.engine import Engine
from holdfast.serve.features import features
from holdfast.serve.info import describe
from holdfast.serve.metrics import Phases

_QUEUED_BATCHES = 32


class Live:
    """One model in service, from `start` to `close`."""

    def __init__(self, engine: Engine, config: ServeConfig, ref: str) -> None:
        """Take an engine, which stays the caller's.

        Args:
            engine: of the model's bundle.
            config: how many items run together and wait.
            ref: what to call it, such as `birds@3`.
        """
        self.engine, self.ref = engine, ref
        self.modality = engine.manifest.modality
        self.info: dict[str, Any] = describe(engine.bundle, config, ref)
        self._config = config
        self._batcher: Batcher | None = None

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._batcher or ())

    async def start(self, phases: Phases | None = None) -> None:
        """Begin to take items, and return once an item of its own was answered.

        Args:
            phases: hears how long the items of requests took.

        Raises:
            Exception: whatever that first item met.
        """
        config = self._config
        self._batcher = Batcher(
            self.engine,
            workers=self.engine.threads,
            batch=config.batch,
            wait_s=config.wait_ms / 1000,
            capacity=max(_QUEUED_BATCHES * config.batch, 4 * config.max_files),
            measure=partial(features, self.modality) if config.journal.where else None,
        )
        (future,) = self._batcher.submit([openapi.example(self.modality)])
        with suppress(
            InputError
        ):  # an example that this model refuses has warmed up the decoder all the same
            await asyncio.wrap_future(future)
        self._batcher.phases = phases  # of requests alone, not of the example

    async def answers(self, items: Sequence[bytes | np.ndarray]) -> list[Answer | BaseException]:
        """The answer to each item, or why there is none. Cancelled, it takes out what still waits.

        Raises:
            BusyError: if there is no room for them.
        """
        assert self._batcher is not None, "a model answers only after its start"
        futures = self._batcher.submit(items)
        return await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)

    async def close(self) -> None:
        """Take no more items, and finish those that wait."""
        if self._batcher:
            await asyncio.to_thread(self._batcher.close)
