"""A server that stands between a client and another server, and answers wrongly when told to."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_OWN = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


@dataclass
class Fault:
    """What goes wrong with some requests.

    Attributes:
        method: of the requests, such as PUT; a regular expression.
        path: a regular expression that the path and query contain.
        status: what is answered; 0 lets the real answer through.
        body: of the answer.
        headers: of the answer.
        cut: the connection is broken after so many bytes of the real answer's body.
        lost: the request is carried out, but its answer never arrives.
        wait_s: for so long nothing happens first.
        times: how often this happens; then all is well.
    """

    method: str = ".*"
    path: str = ""
    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    lost: bool = False
    wait_s: float = 0.0
    times: int = 10**9

    def of_s3(self, code: str, message: str = "") -> "Fault":
        """The same, answered as S3 answers."""
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message or code}</Message></Error>"
        self.body, self.headers = text.encode(), {**self.headers, "Content-Type": "application/xml"}
        return self


@dataclass
class Proxy:
    """Where to connect, what was asked, and what shall go wrong.

    Attributes:
        url: of this server.
        faults: the first that fits a request happens to it.
        seen: method and path of each request, in order.
        busy: how many requests are being answered now.
        peak: how many were at once.
        ranges: whether parts of files are cut out here, for a server that only gives them whole.
        refuse: says with which status a request is refused, by its method, path and body; 0 lets it through.
    """

    url: str
    busy: int = 0
    peak: int = 0
    ranges: bool = False
    refuse: Callable[[str, str, bytes], int] = lambda *_: 0
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def count(self, method: str, path: str = "") -> int:
        """How many requests of a method had a path that contains a regular expression."""
        return sum(one == method and bool(re.search(path, where)) for one, where in self.seen)

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Note a request; what shall go wrong with it."""
        with self.lock:
            self.seen.append((method, path))
            for fault in self.faults:
                if fault.times and re.fullmatch(fault.method, method) and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def faulty(upstream: str) -> Iterator[Proxy]:
    """Serve what the server at `upstream` serves, on a free port of this machine, faults apart."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.proxy = proxy = Proxy(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    server.upstream = urlsplit(upstream).netloc  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client, or we ourselves, hung up
            self.close_connection = True

    def _pass_on(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        with proxy.lock:
            proxy.busy += 1
            proxy.peak = max(proxy.peak, proxy.busy)
        try:
            self._handle_it(proxy)
        finally:
            with proxy.lock:
                proxy.busy -= 1

    def _handle_it(self, proxy: Proxy) -> None:
        body = self._body()
        fault = proxy.next_fault(self.command, self.path)
        if fault and fault.wait_s:
            time.sleep(fault.wait_s)
        if fault and fault.status:
            return self._answer(fault.status, fault.headers, fault.body)
        if refused := proxy.refuse(self.command, self.path, body):
            return self._answer(refused, {}, b"{}")
        status, headers, data = self._ask(body)
        if proxy.ranges and status == 200 and (span := _span(self.headers.get("Range", ""))):
            status, data = 206, data[span]
        if fault and fault.lost:
            return self._hang_up()
        if fault and fault.cut is not None:
            return self._answer(status, headers, data, cut=fault.cut)
        return self._answer(status, headers, data)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        to = http.client.HTTPConnection(self.server.upstream, timeout=60)  # type: ignore[attr-defined]
        try:
            to.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect", "transfer-encoding", "content-length"):
                    to.putheader(name, value)
            to.putheader("Content-Length", str(len(body)))
            to.endheaders(body)
            answer = to.getresponse()
            data = answer.read() if self.command != "HEAD" else b""
            return answer.status, dict(answer.getheaders()), data
        finally:
            to.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(
        self, status: int, headers: Mapping[str, str], data: bytes, *, cut: int | None = None
    ) -> None:
        self.send_response_only(status)
        self.send_header("Date", headers.get("Date") or self.date_time_string())
        length = str(len(data))
        for name, value in headers.items():
            if self.command == "HEAD" and name.lower() == "content-length":
                length = value
            if name.lower() not in _OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data if cut is None else data[:cut])
        if cut is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _span(header: str) -> slice | None:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    return slice(int(found[1]), int(found[2]) + 1 if found[2] else None) if found else None
