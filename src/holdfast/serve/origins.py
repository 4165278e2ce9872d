"""Which pages in browsers may ask: our own, those that are named, and no others."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.config.protection import is_loopback
from holdfast.config.serve import ServeConfig
from holdfast.serve.access import asks_nothing
from holdfast.serve.api import Api
from holdfast.serve.callers import Refusal, refuse

_SAFE = ("GET", "HEAD", "OPTIONS")
_HERE = (".localhost", ".local", ".internal")


def add_origins(app: Api, config: ServeConfig) -> None:
    """Let pages of `serve.cors` ask and read; where anybody may ask, refuse all other sites' pages.

    Args:
        app: whoever may ask is checked within this already.
        config: the origins, and who may ask.
    """
    if asks_nothing(config):
        app.add_middleware(OtherSites, config=config)
    if config.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.cors,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "X-API-Key", "X-Request-Id"),
            expose_headers=("Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"),
        )


class OtherSites:
    """Refuses what a page of another site makes a visitor's browser send.

    A server that asks for no key trusts whoever reaches it, and every page that somebody opens on this
    machine reaches it. That page could not read an answer, but could keep the model busy, or label what waits
    for review. And a site may let its own name mean this machine, by which its page becomes one of ours (DNS
    rebinding); so names of the open Internet are no names of a server that is meant for this machine.

    Callers that are no browsers notice nothing. Where a key is needed, no foreign page has one.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app = app
        self._cors = {origin.encode() for origin in config.cors}
        self._is_local = is_loopback(config.host) and not config.open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await refuse(send, refusal)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        host = origin = site = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if self._is_local and _is_foreign(host):
            return _refusal(
                f"this server is for this machine, and not called {host.decode('latin-1')!r:.100}",
                "ask for http://127.0.0.1, or say serve.open=true where a proxy stands before it",
            )
        if scope["method"] in _SAFE or origin in self._cors:
            return None
        if site in (b"cross-site", b"same-site") or (not site and origin and _host_of(origin) != host):
            return _refusal(
                f"a page of {origin.decode('latin-1')!r:.100} may not ask here",
                "name it in serve.cors, if it is yours",
            )
        return None


def _refusal(error: str, hint: str) -> Refusal:
    return Refusal(403, error, hint)


def _host_of(origin: bytes) -> bytes:
    return origin.partition(b"://")[2]


def _is_foreign(host: bytes) -> bool:
    """Whether a Host header names a machine as the open Internet does.

    >>> [_is_foreign(host) for host in (b"localhost:8000", b"127.0.0.1", b"[::1]:80", b"evil.example:80")]
    [False, False, False, True]
    """
    name = host.decode("latin-1").rpartition("]")[0] or host.decode("latin-1").partition(":")[0]
    name = name.lower().rstrip(".")
    if "." not in name or name.startswith("[") or name.replace(".", "").isdigit():
        return False
    return not name.endswith(_HERE)
