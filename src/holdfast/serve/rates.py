"""How often, and how many at once, each caller may ask."""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field

_CALLERS = 10_000
"""Callers that are remembered; beyond, those who asked least lately are forgotten, and begin afresh."""


@dataclass(frozen=True)
class Allowance:
    """What one caller may do; 0 sets no limit.

    Attributes:
        rate: requests a second, over time.
        burst: requests that may come at once after a pause.
        concurrency: requests at once.
    """

    rate: float = 0.0
    burst: int = 0
    concurrency: int = 0

    @property
    def depth(self) -> float:
        """Requests that may come at once."""
        return float(self.burst or max(1, math.ceil(self.rate)))


class TooManyError(Exception):
    """A caller asked too often.

    Attributes:
        message: what the limit is.
        retry_s: whole seconds after which to come again.
    """

    def __init__(self, message: str, retry_s: int) -> None:
        super().__init__(message)
        self.message, self.retry_s = message, retry_s


@dataclass
class _Account:
    tokens: float
    filled_s: float
    running: int = field(default=0)


class Rates:
    """A token bucket and a count of running requests for each caller. Used from the event loop only."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._accounts)

    def enter(self, caller: str, allowed: Allowance, now_s: float | None = None) -> None:
        """Count a request that begins; `leave` must follow.

        Args:
            caller: who asks.
            allowed: what they may do now; it may change from request to request.
            now_s: by a clock that is never set back; by default this moment.

        Raises:
            TooManyError: if the caller asked too often, or has too much running. Nothing is counted then.

        >>> rates, allowed = Rates(), Allowance(rate=2, burst=1)
        >>> rates.enter("ann", allowed, now_s=0.0)
        >>> rates.enter("ann", allowed, now_s=0.1)
        Traceback (most recent call last):
        holdfast.serve.rates.TooManyError: more than 2 requests a second
        >>> rates.enter("ann", allowed, now_s=0.5)
        """
        now_s = time.monotonic() if now_s is None else now_s
        account = self._account(caller, allowed, now_s)
        if allowed.concurrency and account.running >= allowed.concurrency:
            raise TooManyError(f"more than {allowed.concurrency} requests at once", 1)
        if allowed.rate:
            full = account.tokens + max(0.0, now_s - account.filled_s) * allowed.rate
            account.tokens, account.filled_s = min(allowed.depth, full), now_s
            if account.tokens < 1 - 1e-9:
                wait_s = (1 - account.tokens) / allowed.rate
                raise TooManyError(_often(allowed.rate), max(1, math.ceil(wait_s)))
            account.tokens -= 1
        account.running += 1

    def leave(self, caller: str) -> None:
        """Count a request that has ended."""
        account = self._accounts.get(caller)
        if account:
            account.running -= 1

    def _account(self, caller: str, allowed: Allowance, now_s: float) -> _Account:
        account = self._accounts.get(caller)
        if account is None:
            account = self._accounts[caller] = _Account(allowed.depth, now_s)
            if len(self._accounts) > _CALLERS:
                self._forget()
        else:
            self._accounts.move_to_end(caller)
        return account

    def _forget(self) -> None:
        """Forget who asked least lately and has nothing running; those with something are few."""
        for caller, account in self._accounts.items():
            if not account.running:
                del self._accounts[caller]
                return


def _often(rate: float) -> str:
    if rate >= 1:
        return f"more than {rate:g} requests a second"
    return f"more than one request in {1 / rate:g} seconds"
