"""The app behind a socket: started, told where, and stopped in good order."""

import asyncio
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from holdfast.config.protection import is_loopback
from holdfast.config.serve import ServeConfig
from holdfast.core.errors import ConfigError, HoldfastError
from holdfast.core.memory import give_back, use_large_pages
from holdfast.serve.access import asks_nothing
from holdfast.serve.api import Api
from holdfast.serve.connections import BACKLOG, Crowd, connection_type, raise_file_limit, times_of

_GRACE_S = 30
"""What still runs so long after the end was asked for is cut off."""


def run_server(app: Api, config: ServeConfig, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; then take no more requests, finish those that run, and return.

    After SIGTERM requests are taken for `serve.linger_s` seconds more: whoever sends them here learns from
    `/readyz` only then that he should not. A second signal ends that; a second Ctrl-C waits for nothing.

    Args:
        app: from `create_app`.
        config: host and port; port 0 takes a free one.
        on_ready: called once with the address, such as `http://127.0.0.1:8000`, when requests are answered.

    Raises:
        HoldfastError: if the address cannot be had, or anybody could ask from other machines unawares.
    """
    with _listen(config) as listener:
        raise_file_limit()
        _run(_serve(_Server(app, config), listener, on_ready))


@contextmanager
def running(app: Api, config: ServeConfig) -> Iterator[str]:
    """The same in a thread, for the length of a `with` block; gives the address.

    Raises:
        HoldfastError: if the address cannot be had, or anybody could ask from other machines unawares.
    """
    ready: Future[str] = Future()
    with _listen(config) as listener:
        server = _Server(app, config)

        def serve() -> None:
            try:
                _run(_serve(server, listener, ready.set_result))
            except BaseException as error:
                if ready.done():
                    raise
                ready.set_exception(error)

        thread = threading.Thread(target=serve, name="serve")
        thread.start()
        try:
            yield ready.result()
        finally:
            server.stop()
            thread.join()


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """Run it on uvloop, except on Windows, where there is none.

    With httptools, which uvicorn finds by itself, a request costs a third less CPU beside decoding and
    the graph (docs/log.md).
    """
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        with suppress(ImportError):
            from uvloop import new_event_loop as factory
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serving)


async def _serve(server: "_Server", listener: socket.socket, on_ready: Callable[[str], None] | None) -> None:
    """Run the server to its end, and call `on_ready` on the way."""
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    warming = asyncio.create_task(server.app.state.service.ready())
    url = _url(listener)  # not known any more once it is closed
    try:
        await asyncio.wait({serving, warming}, return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            warming.result()
            if on_ready:
                await asyncio.to_thread(on_ready, url)
            await asyncio.to_thread(give_back)
            await asyncio.to_thread(use_large_pages)
    finally:
        if not warming.done() or warming.exception():
            server.stop()
        warming.cancel()
        await serving


class _Server(uvicorn.Server):
    """Uvicorn, for which a stop that was asked for is no error: the signal is not raised again."""

    def __init__(self, app: Api, config: ServeConfig) -> None:
        settings = uvicorn.Config(
            app,
            http=connection_type(Crowd(times_of(config.limits))),
            backlog=BACKLOG,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=_GRACE_S,
        )
        super().__init__(settings)
        self.app = app
        self._linger_s = config.linger_s
        self._stop_at = math.inf

    def stop(self) -> None:
        """Take no more requests, finish those that run, and end."""
        self.app.state.service.stop()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002 - the system's signature
        """Stop on the first signal, after SIGTERM in a while; do not wait for anything on a second Ctrl-C."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        if sig == signal.SIGTERM and self._stop_at == math.inf:
            self.app.state.service.stop()
            self._stop_at = time.monotonic() + self._linger_s
        else:
            self.stop()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end."""
        if time.monotonic() >= self._stop_at:
            self.stop()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals as above while the server runs, where that can be done: in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


def _listen(config: ServeConfig) -> socket.socket:
    host, port = config.host, config.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        _check_reach(config, str(address[0]))
        # Not socket.create_server: it leaves the protocol 0, asyncio then sets no TCP_NODELAY on the
        # connections, and each answer waits 40 ms for the client's acknowledgement of its headers.
        listener = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
        try:
            if os.name != "nt":  # there it would share a port that is taken
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise HoldfastError(
            f"cannot listen on {host}:{port} ({error.strerror or error})",
            hint="choose another serve.port, such as serve.port=0 for a free one, or another serve.host",
        ) from None
    return listener


def _check_reach(config: ServeConfig, address: str) -> None:
    """Nobody is let in from other machines by accident."""
    if config.open or is_loopback(address.partition("%")[0]) or not asks_nothing(config):
        return
    raise ConfigError(
        f"serve.host={config.host} can be reached from other machines, and anybody there could ask",
        hint="make a key with `holdfast keys add NAME`, or say serve.open=true if that is meant",
    )


def _url(listener: socket.socket) -> str:
    """The address that works on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a comparison
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
