"""A client of a Holdfast server."""

import json
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, overload
from urllib.parse import quote

from holdfast.client.connection import Connections
from holdfast.client.results import (
    Failure,
    Info,
    Job,
    Prediction,
    read_info,
    read_item,
    read_job,
    read_prediction,
)
from holdfast.core.errors import ServerError

Input = str | bytes | os.PathLike[str]
"""A file's path, its content, or a text: to a model of texts a `str` is the text itself, a `Path` a file."""
Inputs = list[str] | list[bytes] | list[Path] | list[Input] | tuple[Input, ...]
KEY = "HOLDFAST_API_KEY"
_TOGETHER = 16
_TOGETHER_BYTES = 8_000_000
"""Items that are sent in one request, where there are many."""
_TRIES = 5
_BUSY = 503
_POLL_S = (0.05, 2.0)


class Client:
    """Asks one server. Safe to use from several threads.

    Requests that find it busy (429, 503) or away are sent again, for at most `patience_s` in all.

        with Client("http://127.0.0.1:8000") as client:
            print(client.predict("owl.jpg").label)

    Args:
        url: of the server.
        key: an API key or a token; by default what HOLDFAST_API_KEY holds. It is in no message and no log.
        model: which of several models, such as `birds`; the first without it.
        timeout_s: of each wait for the server.
        patience_s: in all, for trying a request again.

    Raises:
        ConfigError: if the address or the key cannot be one.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        model: str | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 60.0,
    ) -> None:
        key = key or os.environ.get(KEY) or None
        self._server = Connections(url, key, timeout_s=timeout_s, patience_s=patience_s)
        self._name = model
        self._model = "" if model is None else f"/models/{quote(model, safe='')}"
        self._info: Info | None = None

    def __repr__(self) -> str:
        return f"Client({self._server.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._server.close()

    def ready(self, wait_s: float = 0.0) -> bool:
        """Whether requests are answered, now or within some seconds."""
        until = time.monotonic() + wait_s
        while True:
            try:
                self._server.ask("GET", "/readyz", patience_s=0)
            except ServerError:
                if time.monotonic() >= until:
                    return False
                time.sleep(_POLL_S[0])
            else:
                return True

    def info(self) -> Info:
        """What the server says of its model.

        Raises:
            ServerError: if it says nothing.
        """
        self._info = read_info(self._server.ask("GET", f"{self._model}/info").json())
        return self._info

    @overload
    def predict(self, item: Input, *, top: int | None = None) -> Prediction: ...
    @overload
    def predict(self, item: Inputs, *, top: int | None = None) -> list[Prediction]: ...

    def predict(self, item: Input | Inputs, *, top: int | None = None) -> Prediction | list[Prediction]:
        """What the model says of an item, or of each of several.

        Args:
            item: a path, bytes or a text (see `Input`), or a list of them.
            top: of how many labels there are probabilities.

        Raises:
            ServerError: if the server cannot be reached, or refuses an item.
            OSError: if a file cannot be read.
        """
        if isinstance(item, str | bytes | os.PathLike):
            name, data = self._read(item)
            said = self._post(f"{self._model}/predict{_query(top)}", data).json()
            return read_prediction({**said["predictions"][0], "name": name}, said["model"])
        found = list(self.predict_each(item, top=top))
        failures = [it for it in found if isinstance(it, Failure)]
        if failures:
            told = "; ".join(f"{it.name}: {it.error}" for it in failures[:5])
            more = f"; and {len(failures) - 5} more" if len(failures) > 5 else ""
            raise ServerError(
                f"{len(failures)} of {len(found)} items have no prediction: {told}{more}",
                hint="predict_each gives the others all the same",
            )
        return [it for it in found if isinstance(it, Prediction)]

    def predict_each(
        self, items: Iterable[Input], *, top: int | None = None, at_once: int = 2
    ) -> Iterator[Prediction | Failure]:
        """What the model says of each of many items, in their order, as it comes.

        The server lets people's requests go first. Few items are in memory.

        Args:
            items: as for `predict`.
            top: of how many labels there are probabilities.
            at_once: requests at the same time.

        Raises:
            ServerError: if the server cannot be reached, or refuses all.
        """
        waiting: deque[Future[list[Prediction | Failure]]] = deque()
        with ThreadPoolExecutor(at_once, thread_name_prefix="ask") as pool:
            try:
                for group in self._groups(items):
                    waiting.append(pool.submit(self._answers, group, top))
                    if len(waiting) > 2 * at_once:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def job(
        self,
        item: Input,
        *,
        top: int | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> Prediction:
        """What the model says of a long recording, once it has heard all of it.

        Args:
            item: as for `predict`.
            top: of how many labels there are probabilities.
            on_progress: hears of it every now and then.

        Raises:
            ServerError: if the server cannot be reached, refuses it, or loses the job.
        """
        name, _ = self._named(item)
        job, pause = self.start_job(item, top=top), _POLL_S[0]
        try:
            while job.state in ("waiting", "running"):
                time.sleep(pause)
                pause = min(1.5 * pause, _POLL_S[1])
                job = self.find_job(job.id)
                if on_progress:
                    on_progress(job)
        finally:
            with suppress(ServerError):
                self.cancel_job(job.id)
        if job.state == "failed":
            raise ServerError(job.error or "the job failed", hint=job.hint)
        (found,) = job.result
        if isinstance(found, Failure):
            raise ServerError(found.error, hint=found.hint)
        return read_prediction({**found.whole, "name": name}, found.model)

    def start_job(self, item: Input, *, top: int | None = None) -> Job:
        """Send a job, and come back at once.

        Raises:
            ServerError: if it is not taken.
        """
        _, data = self._read(item, limited=False)
        return read_job(self._post(f"{self._model}/jobs{_query(top)}", data, again=False).json())

    def find_job(self, number: str) -> Job:
        """How far a job is, with its result once it is done.

        Raises:
            ServerError: if it is not there (any more).
        """
        return read_job(self._server.ask("GET", f"/jobs/{quote(number, safe='')}").json())

    def cancel_job(self, number: str) -> None:
        """Stop a job, or let the server forget its result.

        Raises:
            ServerError: if it is not there (any more).
        """
        self._server.ask("DELETE", f"/jobs/{quote(number, safe='')}", patience_s=0)

    def feedback(self, number: str, label: str | Sequence[str] | None) -> None:
        """Tell the true label of a prediction, or all of them where there can be many; the latest counts.

        Args:
            number: the prediction's `id`.
            label: None takes back what was said.

        Raises:
            ServerError: if the server does not take it, or keeps no journal.
        """
        truth: dict[str, Any] = {"withdraw": True}
        if label is not None:
            truth = {"label": label} if isinstance(label, str) else {"labels": list(label)}
        if self._name is not None:  # counts where the server does not know any more whose prediction it is
            truth["model"] = self._name
        body = json.dumps({"id": number, **truth}).encode()
        self._server.ask("POST", "/feedback", body, {"Content-Type": "application/json"})

    def _post(self, path: str, data: bytes, *, again: bool = True) -> Any:
        kind = {"Content-Type": "application/octet-stream"}
        return self._server.ask("POST", path, data, kind, again=again)

    def _named(self, item: Input) -> tuple[str | None, Path | None]:
        """What an item is called, and its file if it is one."""
        if isinstance(item, bytes):
            return None, None
        if isinstance(item, str) and (self._info or self.info()).modality == "text":
            return None, None
        path = Path(item)
        return path.name, path

    def _read(self, item: Input, *, limited: bool = True) -> tuple[str | None, bytes]:
        """What an item is called, and its content."""
        name, path = self._named(item)
        if path is None:
            return name, item.encode() if isinstance(item, str) else bytes(item)  # type: ignore[arg-type]
        if limited and path.stat().st_size > (most := (self._info or self.info()).max_bytes):
            raise ServerError(
                f"larger than the {most / 1e6:g} MB that the server takes",
                hint="send a smaller file, or a long recording as a job",
                status=413,  # as it would say itself
            )
        return name, path.read_bytes()

    def _groups(self, items: Iterable[Input]) -> Iterator[list[tuple[str | None, bytes | Failure]]]:
        """A few items at a time, with what keeps them from being sent."""
        group: list[tuple[str | None, bytes | Failure]] = []
        size = 0
        for item in items:
            name, path = self._named(item)
            data: bytes | Failure
            try:
                _, data = self._read(item)
            except ServerError as error:
                data = Failure(error.message, error.hint, name)
            except OSError as error:
                data = Failure(error.strerror or str(error), f"look at {path}", name)
            group.append((name, data))
            size += len(data) if isinstance(data, bytes) else 0
            if len(group) == _TOGETHER or size >= _TOGETHER_BYTES:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _answers(
        self, group: list[tuple[str | None, bytes | Failure]], top: int | None
    ) -> list[Prediction | Failure]:
        """The answers to a few items; those that a server left unanswered are sent again."""
        found: dict[int, Prediction | Failure] = {
            place: data for place, (_, data) in enumerate(group) if isinstance(data, Failure)
        }
        for attempt in range(_TRIES):
            left = [place for place in range(len(group)) if place not in found]
            if not left:
                break
            if attempt:
                time.sleep(0.2 * 2**attempt)
            kind, body = _form([data for place in left if isinstance(data := group[place][1], bytes)])
            answer = self._server.ask(
                "POST", f"{self._model}/batch{_query(top)}", body, {"Content-Type": kind}
            )
            for line in answer.body.splitlines():
                said = json.loads(line)
                if said.get("status") != _BUSY and said["index"] < len(left):
                    place = left[said["index"]]
                    found[place] = read_item({**said, "name": group[place][0]})
        lost = Failure("the server left it unanswered", "send it again")
        return [found.get(place, lost) for place in range(len(group))]


def _query(top: int | None) -> str:
    return "" if top is None else f"?top={top}"


def _form(files: Sequence[bytes]) -> tuple[str, bytes]:
    """A form of files: its Content-Type, and itself."""
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="-"\r\n\r\n'.encode()
    body = b"".join(part for data in files for part in (head, data, b"\r\n"))
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()
