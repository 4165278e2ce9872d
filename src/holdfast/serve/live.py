"""A model that answers: its engine, its queue, and what it says of itself."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from holdfast.bundle import check_trusted
from holdfast.config.serve import ServeConfig
from holdfast.core.errors import BundleError, InputError
from holdfast.serve import curve, openapi
from holdfast.serve.batching import Answer, Batcher
from holdfast.serve.engine import Engine
from holdfast.serve.features import features
from holdfast.serve.info import describe
from holdfast.serve.metrics import Phases

_LULL_S = 0.05
"""Between two looks whether a model has nothing to do, to measure it."""


class Live:
    """One model in service, from `start` to `close`."""

    def __init__(self, engine: Engine, config: ServeConfig, ref: str) -> None:
        """Take an engine, which stays the caller's.

        Args:
            engine: of the model's bundle.
            config: how many items run together and wait, and how long.
            ref: what to call it, such as `birds@3`.

        Raises:
            BundleError: if nobody has signed it whom the settings trust.
        """
        check_trusted(engine.bundle, config.trust)
        engine.restrict(config.limits)
        self.engine, self.ref = engine, ref
        self.modality = engine.manifest.modality
        self.info: dict[str, Any] = describe(engine.bundle, config, ref)
        self._config = config
        self._batcher: Batcher | None = None
        self._measuring: asyncio.Task[None] | None = None

    @property
    def rows(self) -> int:
        """How many rows of the graph wait or are in work."""
        return self._batcher.rows if self._batcher else 0

    async def start(self, phases: Phases | None = None) -> None:
        """Begin to take items, and return once those that its bundle carries were answered as they must be.

        Args:
            phases: hears how long the items of requests took.

        Raises:
            BundleError: if an answer is another than the one in the bundle.
            Exception: whatever else went wrong with the first items.
        """
        config = self._config
        batcher = self._batcher = Batcher(
            self.engine,
            workers=self.engine.threads,
            promise_s=config.promise_s,
            capacity=max(config.queue, config.max_files),
            measure=partial(features, self.modality) if config.journal.where else None,
        )
        await self._rehearse(batcher)
        batcher.phases = phases  # of requests alone, not of the rehearsal
        known = curve.kept(self.engine)
        if known:
            batcher.curve = known
        else:
            self._measuring = asyncio.create_task(asyncio.to_thread(self._measure, batcher))

    async def answers(
        self, items: Sequence[bytes | np.ndarray], *, background: bool = False
    ) -> list[Answer | BaseException]:
        """The answer to each item, or why there is none. Cancelled, it takes out what still waits.

        Args:
            items: files or texts, or what `Engine.decode` makes of them.
            background: let the items of all others go first, and wait as long as it takes.

        Raises:
            BusyError: if there is no room for them.
        """
        assert self._batcher is not None, "a model answers only after its start"
        if not items:
            return []
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def done() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_end, ended)

        futures = self._batcher.submit(items, background=background, done=done)
        try:
            await ended  # one for all: a future of asyncio's for each costs as much as a small decoding
        finally:
            for future in futures:
                future.cancel()
        return [_outcome(future) for future in futures]

    def check(self) -> None:
        """Whether one more item would be taken now; for before its bytes are read.

        Raises:
            BusyError: if not.
        """
        assert self._batcher is not None, "a model answers only after its start"
        self._batcher.check()

    def ending(self) -> Callable[[], None]:
        """What ends its threads, without holding the model itself."""
        batcher, engine = self._batcher, self.engine

        def end() -> None:
            if batcher:
                batcher.close()
            engine.close()

        return end

    async def close(self) -> None:
        """Take no more items, and finish those that wait."""
        if self._batcher:
            await asyncio.to_thread(self._batcher.close)
        if self._measuring:
            await self._measuring

    async def _rehearse(self, batcher: Batcher) -> None:
        """Answer the golden samples; a bundle without them answers an example, which has no right answer."""
        golden = self.engine.bundle.golden
        items = golden.items if golden else [openapi.example(self.modality)]
        waiting = asyncio.gather(*map(asyncio.wrap_future, batcher.submit(items, background=True)))
        if golden is None:
            with suppress(
                InputError
            ):  # an example that this model refuses has warmed up the decoder all the same
                await waiting
            return
        given = np.stack([answer.probabilities for answer in await waiting])
        if not (difference := golden.difference(given)) <= golden.tolerance:
            raise BundleError(
                f"{self.ref} answers its golden samples otherwise than when it was made: "
                f"by {difference:.2g} in probability, more than {golden.tolerance:g}",
                hint="compare the releases of onnxruntime, Pillow, soundfile and tokenizers with those "
                "in environment.json of its run",
            )

    def _measure(self, batcher: Batcher) -> None:
        """Find out what goes well together while nothing is asked, and keep it for the next start."""

        def lull() -> None:
            while not batcher.idle:
                if batcher.closed:
                    raise _ClosedError
                time.sleep(_LULL_S)
            if batcher.closed:
                raise _ClosedError

        with suppress(_ClosedError):
            batcher.curve = curve.measure(
                self.engine, most=min(self._config.batch, self.engine.batch), pause=lull
            )
            curve.keep(self.engine, batcher.curve)


def _end(ended: "asyncio.Future[None]") -> None:
    if not ended.done():  # it is, where its request was given up
        ended.set_result(None)


def _outcome(future: "Future[Answer]") -> Answer | BaseException:
    return future.exception() or future.result()


class _ClosedError(Exception):
    """Nobody needs the measurement any more."""
