"""A model under release: the version that answers, one on trial, and one that only listens.

A *canary* answers a share of the requests and is dropped when it fails or is slow; a *shadow* is asked the
same as the version that answers, after the answer is given, and is only compared.
"""

import asyncio
import random
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import numpy as np

from holdfast.config.release import CanaryConfig
from holdfast.core.errors import HoldfastError
from holdfast.serve.batching import Answer
from holdfast.serve.bodies import Item
from holdfast.serve.live import Live

_RECENT = 200
"""Requests whose times are remembered."""
_FEW_MS = 0.002
"""What a canary may always be slower by, in seconds: so much is noise."""
_SHADOWED = 8
"""Requests that a shadow may be busy with; of more it only counts that it missed them."""


@dataclass
class Record:
    """What became of the requests to one version, of late."""

    requests: int = 0
    failed: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def note(self, seconds: float, *, failed: bool) -> None:
        """One more request ended."""
        self.requests += 1
        self.failed += failed
        self.seconds.append(seconds)

    @property
    def slow(self) -> float:
        """The time within which nine of ten were answered, in seconds; 0 before there are two."""
        return quantiles(self.seconds, n=10)[-1] if len(self.seconds) > 1 else 0.0


class Canary:
    """A version on trial beside another.

    >>> trial = Canary(None, CanaryConfig(requests=2, slower=2.0))
    >>> for _ in range(3):
    ...     trial.steady.note(0.010, failed=False)
    ...     trial.own.note(0.030, failed=False)
    >>> trial.fault()
    'nine of ten answers within 30.0 ms, against 10.0 ms'
    """

    def __init__(self, live: Live, config: CanaryConfig) -> None:
        self.live = live
        self.own, self.steady = Record(), Record()
        self._config = config

    def takes(self) -> bool:
        """Whether the next request is one of its share."""
        return random.random() < self._config.share  # noqa: S311 - no secret

    def fault(self) -> str | None:
        """Why it should be dropped, if it should."""
        own, steady, config = self.own, self.steady, self._config
        if own.requests < config.requests or not steady.requests:
            return None
        failed, usual = own.failed / own.requests, steady.failed / steady.requests
        if failed > usual + config.failures:
            return f"{failed:.1%} of its requests failed, against {usual:.1%}"
        if own.slow > max(config.slower * steady.slow, steady.slow + _FEW_MS):
            return f"nine of ten answers within {own.slow * 1e3:.1f} ms, against {steady.slow * 1e3:.1f} ms"
        return None


class Shadow:
    """A version that is asked too, and never heard by callers."""

    def __init__(self, live: Live, share: float) -> None:
        self.live, self._share = live, share
        self.compared = self.agreed = self.failed = self.missed = 0
        self.difference = 0.0
        """The sum of the largest differences of probability, over those with the same labels."""
        self._tasks: set[asyncio.Task[None]] = set()

    def see(self, items: Sequence[Item], answers: Sequence[Answer], live: Live) -> None:
        """Ask it for the same items, some time later; returns at once."""
        if random.random() >= self._share or not all(isinstance(item.data, bytes) for item in items):  # noqa: S311
            return
        if len(self._tasks) >= _SHADOWED:
            self.missed += len(items)
            return
        task = asyncio.create_task(self._compare(items, answers, live))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what it has not been asked yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _compare(self, items: Sequence[Item], answers: Sequence[Answer], live: Live) -> None:
        try:
            own = await self.live.answers([item.data for item in items], background=True)
        except Exception:  # too much waits, or it is being closed: it is nobody's answer
            self.missed += len(items)
            return
        for mine, given in zip(own, answers, strict=True):
            if isinstance(mine, BaseException):
                self.failed += 1
                continue
            self.compared += 1
            self.agreed += set(mine.labels) == set(given.labels)
            if self.live.engine.labels == live.engine.labels:
                self.difference += float(np.abs(mine.probabilities - given.probabilities).max())


class Release:
    """One served model: who answers for it, and what became of those that were to."""

    def __init__(self, asked: str, live: Live) -> None:
        """Begin with a version.

        Args:
            asked: the reference that was asked for, such as `birds@champion`.
            live: the version that it meant.
        """
        self.asked, self.live = asked, live
        self.canary: Canary | None = None
        self.shadow: Shadow | None = None
        self.refused: dict[str, str] = {}
        """Versions that were not taken, and why."""

    @property
    def lives(self) -> dict[str, Live]:
        """All versions that are in service now, by their role."""
        found = {"steady": self.live}
        if self.canary:
            found["canary"] = self.canary.live
        if self.shadow:
            found["shadow"] = self.shadow.live
        return found

    def choose(self, *, as_bytes: bool = True) -> Live:
        """The version for a request; what is decoded already is made for the steady one, and goes there."""
        return self.canary.live if self.canary and as_bytes and self.canary.takes() else self.live

    def note(self, live: Live, seconds: float, *, failed: bool = False) -> str | None:
        """A request ended; gives what to tell, if the canary was dropped for it."""
        canary = self.canary
        if canary is None or live not in (canary.live, self.live):
            return None
        (canary.own if live is canary.live else canary.steady).note(seconds, failed=failed)
        why = canary.fault() if live is canary.live else None
        if why is None:
            return None
        self.refused[live.ref] = why
        self.canary = None
        retire(live)
        return f"the canary {live.ref} was dropped: {why}; {self.live.ref} answers all requests"

    def replace(self, live: Live) -> None:
        """Let another version answer from now on; requests that have begun end with the old one."""
        old, self.live = self.live, live
        retire(old)
        if self.canary and self.canary.live.ref == live.ref:  # it has passed, and answers everything now
            retire(self.canary.live)
            self.canary = None
        if self.shadow and self.shadow.live.ref == live.ref:
            retire(self.shadow.live)
            self.shadow = None

    def try_out(self, live: Live, config: CanaryConfig) -> None:
        """Let a version be the canary, in the place of the one that is."""
        self._check(live)
        if self.canary:
            retire(self.canary.live)
        self.canary = Canary(live, config)

    def let_listen(self, live: Live, share: float) -> None:
        """Let a version be the shadow, in the place of the one that is."""
        self._check(live)
        if self.shadow:
            retire(self.shadow.live)
        self.shadow = Shadow(live, share)

    def _check(self, live: Live) -> None:
        """Whether a version can be asked what the steady one is asked.

        Raises:
            HoldfastError: if not.
        """
        task, modality = self.live.engine.task, self.live.modality
        if (live.engine.task, live.modality) != (task, modality):
            retire(live)
            raise HoldfastError(
                f"{live.ref} is for {live.modality} ({live.engine.task}), "
                f"but {self.live.ref} is for {modality} ({task})",
                hint="a canary or a shadow must be of the same kind",
            )

    def state(self) -> dict[str, Any]:
        """What there is to know of it; JSON-ready."""
        canary, shadow = self.canary, self.shadow
        return {
            "asked": self.asked,
            "model": self.live.ref,
            "digest": self.live.engine.bundle.digest,
            "canary": canary
            and {
                "model": canary.live.ref,
                "requests": canary.own.requests,
                "failed": canary.own.failed,
                "slow_s": canary.own.slow,
                "steady_slow_s": canary.steady.slow,
            },
            "shadow": shadow
            and {
                "model": shadow.live.ref,
                "compared": shadow.compared,
                "agreed": shadow.agreed,
                "failed": shadow.failed,
                "missed": shadow.missed,
                "mean_difference": shadow.difference / shadow.compared if shadow.compared else None,
            },
            "refused": dict(self.refused),
        }


def retire(live: Live) -> None:
    """End a version's threads once the last request lets go of it."""
    weakref.finalize(live, live.ending())
