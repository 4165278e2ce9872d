"""Who asks: what each kind of credential is checked into, and the answer to those who may not."""

import json
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Send

from holdfast.serve.rates import Allowance


@dataclass(frozen=True)
class Caller:
    """Whose request it is, and what they may do."""

    name: str
    allowed: Allowance


class Refusal(Exception):  # noqa: N818 - not an error: the answer to a request
    """A request that is not let in.

    Attributes:
        status: the HTTP status.
        headers: of the answer.
    """

    def __init__(self, status: int, error: str, hint: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.hint, self.headers = status, error, hint, headers or {}


class Check(Protocol):
    """One kind of credential."""

    def begin(self) -> None:
        """The server starts: what is needed may be fetched, beside the start."""
        ...

    async def caller(self, credential: bytes) -> Caller | None:
        """Who shows this credential; None if it is none of this kind, or not valid.

        Raises:
            Refusal: if that cannot be told now.
        """
        ...


async def refuse(send: Send, refusal: Refusal) -> None:
    """Answer a request so, and read nothing more of it."""
    body = json.dumps({"error": refusal.error, "hint": refusal.hint}).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **refusal.headers,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
