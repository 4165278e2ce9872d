"""Whose a prediction is: the labels of the model that gave it, remembered here or found in the journal."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.core.refs import did_you_mean
from holdfast.monitor.lookup import Lookup
from holdfast.serve.ids import is_id, time_of
from holdfast.serve.journal import Journal
from holdfast.serve.recent import Kind
from holdfast.serve.service import Service

_PATIENCE_S = 3.0
"""So long true labels wait for the journal to be looked through."""


@dataclass(frozen=True)
class Known:
    """What is known of some predictions.

    Attributes:
        served: the name of each version in service, such as `birds@3` → what it gives.
        kinds: id → what its model gives, of those that are remembered here.
        models: id → the version that gave it, of those that the journal has.

    >>> known = Known({"birds@3": (["owl"], "single"), "sea@1": (["red"], "multi")}, {}, {"7": "birds@2"})
    >>> known.kind("7"), known.kind("8", "sea")
    ((['owl'], 'single'), (['red'], 'multi'))
    >>> known.kind("8")
    'which model gave it is not known here (any more); say it, as "model": "birds"'
    """

    served: Mapping[str, Kind]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def has(self, number: str) -> bool:
        """Whether there is such a prediction, as far as this can be told."""
        return number in self.kinds or number in self.models

    def kind(self, number: str, said: str | None = None) -> Kind | str:
        """What the model of a prediction gives, or why that cannot be told.

        Args:
            number: the prediction's id.
            said: the model that it is said to be of; counts where nothing is known.
        """
        if number in self.kinds:
            return self.kinds[number]
        model = self.models.get(number, said)
        if model is None:
            kinds = list(self.served.values())
            if all(kind == kinds[0] for kind in kinds):
                return kinds[0]
            name = next(iter(self.served)).partition("@")[0]
            return f'which model gave it is not known here (any more); say it, as "model": "{name}"'
        for name, kind in self.served.items():
            if model == name:
                return kind
        for name, kind in self.served.items():
            if model.partition("@")[0] == name.partition("@")[0]:
                return kind
        if number in self.models:
            return f"it was given by {model}, which is not served here"
        near = did_you_mean(model, list(self.served))
        return f"no model {model!r:.60} here" + (f"; did you mean {near!r}?" if near else "")


class Whose:
    """Finds out whose predictions are. Used from the event loop only; at most one look at a time."""

    def __init__(self, service: Service, journal: Journal) -> None:
        self._service, self._lookup = service, Lookup(journal.stores)
        self._turn = asyncio.Lock()

    async def known(self, numbers: Sequence[object]) -> Known:
        """What is known of the predictions of these ids, for all that can be found soon."""
        recent = self._service.recent
        ids = {number for number in numbers if isinstance(number, str) and is_id(number)}
        kinds = {number: kind for number in ids if (kind := recent.kind(number))}
        left = {number: time_of(number) for number in ids - kinds.keys()}
        return Known(self._served(), kinds, await self._models(left) if left else {})

    def _served(self) -> dict[str, Kind]:
        lives = [live for release in self._service.releases for live in release.lives.values()]
        return {live.ref: (live.engine.labels, live.engine.task) for live in lives}

    async def _models(self, made: Mapping[str, float]) -> dict[str, str]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._turn.acquire()
                return await asyncio.shield(asyncio.create_task(self._look(made)))
        except TimeoutError:
            return {}

    async def _look(self, made: Mapping[str, float]) -> dict[str, str]:
        try:
            return await asyncio.to_thread(self._lookup.models, made)
        except Exception:  # libraries of stores raise what they like; nothing is known then
            return {}
        finally:
            self._turn.release()
