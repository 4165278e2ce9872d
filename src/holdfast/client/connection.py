"""Requests to one server: connections that are kept, and another try where that may help."""

import http.client
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from holdfast.core.errors import ConfigError, ServerError

_BUSY = (429, 503)
_LONGEST_PAUSE_S = 30.0
"""However long a server says that one should wait."""
_FIRST_PAUSE_S = 0.2
_MOST_BYTES = 1 << 30
"""Of an answer; more is none."""


@dataclass(frozen=True)
class Answer:
    """What a server said; `status` is below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The value in its body.

        Raises:
            ServerError: if that is no JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise ServerError(
                f"the answer is no JSON: {self.body[:40]!r}", hint="is this the address of a Holdfast server?"
            ) from None


class Connections:
    """To one server, one for each thread that asks.

    Args:
        url: such as `http://127.0.0.1:8000`; a path in it goes before all others.
        key: shown with each request; never told to anybody else.
        timeout_s: of each wait for the server.
        patience_s: in all, for tries after the first.
        sleep, clock: other ones for tests.

    Raises:
        ConfigError: if the address or the key cannot be one.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 60.0,
        patience_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url, self._secure, self._host, self._port, self._prefix = _read_url(url)
        self._headers = {"User-Agent": "holdfast", **_header_of(key)}
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._sleep, self._clock = sleep, clock
        self._local = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
        self._context = ssl.create_default_context() if self._secure else None

    def __repr__(self) -> str:
        return f"Connections({self.url!r})"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        again: bool = True,
        patience_s: float | None = None,
    ) -> Answer:
        """One request, and its answer.

        A server that is busy (429, 503) is asked again after the time that it says; so is one that could not
        be reached.

        Args:
            again: whether it may be asked twice where nobody knows if the first request was taken.
            patience_s: in all, for tries after the first; None takes that of all requests.

        Raises:
            ServerError: if there is no answer, or it is a refusal; its `status` is then the server's.
        """
        patience_s = self._patience_s if patience_s is None else patience_s
        until, pause = self._clock() + patience_s, _FIRST_PAUSE_S
        while True:
            try:
                answer = self._once(method, path, body, headers or {}, again=again)
            except ServerError as error:
                if not error.may_pass:
                    raise
                wait_s = pause * random.uniform(0.5, 1.5) if error.retry_s is None else error.retry_s  # noqa: S311
                wait_s = min(wait_s, _LONGEST_PAUSE_S)
                if self._clock() + wait_s > until:
                    raise
                self._sleep(wait_s)
                pause *= 2
            else:
                return answer

    def close(self) -> None:
        """End the connections."""
        for connection in list(self._open):
            connection.close()
        self._open.clear()
        self._local = threading.local()

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, again: bool
    ) -> Answer:
        connection, was_used = self._connection()
        sent = False
        try:
            if connection.sock is None:
                connection.connect()
            sent = True
            connection.request(method, self._prefix + path, body, {**self._headers, **headers})
            response = connection.getresponse()
            data = response.read(_MOST_BYTES)
        except ssl.SSLCertVerificationError as error:
            self._drop(connection)
            raise ServerError(f"{self.url} cannot be trusted: {error.verify_message}") from None
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            if was_used and isinstance(error, http.client.RemoteDisconnected | ConnectionError) and again:
                return self._once(method, path, body, headers, again=again)  # it was closed while unused
            raise self._unreached(error, may_pass=again or not sent) from None
        self._local.used = True
        if response.status >= 300:
            raise _refusal(method, path, response, data)
        return Answer(response.status, dict(response.headers), data)

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """This thread's, and whether it was used before."""
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            if self._context is None:
                found = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            else:
                found = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=self._context
                )
            self._local.connection, self._local.used = found, False
            self._open.add(found)
        return found, bool(self._local.used)

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        self._open.discard(connection)
        self._local.connection = None

    def _unreached(self, error: Exception, *, may_pass: bool) -> ServerError:
        if isinstance(error, TimeoutError):
            return ServerError(
                f"{self.url} has not answered for {self._timeout_s:g} s", hint="give it more time: timeout_s"
            )
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ServerError(
            f"{self.url} cannot be reached: {reason}",
            hint="is the server running, and is this its address?",
            may_pass=may_pass,
        )


def _refusal(method: str, path: str, response: http.client.HTTPResponse, data: bytes) -> ServerError:
    """What a server said against a request, in its own words where it has any."""
    status, hint = response.status, None
    try:
        said = json.loads(data)
        message, hint = str(said["error"]), said.get("hint")
    except (ValueError, TypeError, KeyError):
        message = f"{method} {path} was answered with {status} {response.reason}"
        if status < 400:
            hint = f"use the address that it leads to: {response.headers.get('Location')}"
    said_s = response.headers.get("Retry-After", "")
    retry_s = float(said_s) if said_s.isascii() and said_s.isdigit() else None
    return ServerError(message, hint=hint, status=status, retry_s=retry_s, may_pass=status in _BUSY)


def _read_url(url: str) -> tuple[str, bool, str, int | None, str]:
    """The address without what is not to be shown, whether it is secure, host, port, and what goes first."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    hint = "write it as http://127.0.0.1:8000"
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{url!r} is not the address of a server", hint=hint)
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError("an address holds neither a password nor a query", hint=hint)
    prefix = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{prefix}", parts.scheme == "https", host, port, prefix


def _header_of(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(  # without the key: somebody may read this
            "the key has characters that no key has", hint="look at HOLDFAST_API_KEY, or at key="
        )
    return {"Authorization": f"Bearer {key}"}
