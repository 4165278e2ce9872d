"""From an HTTP request to the items in it, with every limit on the way."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from holdfast.core.errors import HoldfastError
from holdfast.core.media import Modality
from holdfast.core.refs import did_you_mean
from holdfast.serve.batching import BusyError

_SILENCE_S = 30.0
"""A client that sends nothing for so long has gone."""
_DRAIN_S = 2.0
_LARGE = 256 * 1024
"""Bodies from this size on are parsed in a thread, so that other requests go on."""
_FILE_FIELDS = ("file", "files")
_JSON_FIELDS = ("text", "texts", "data", "items")
_CHARSETS = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252", "utf-16")
_DATA_URL = re.compile(r"data:[\w.+/-]*(;[\w=.+-]+)*;base64,", re.ASCII)
WORDS: dict[Modality, str] = {"image": "pictures", "audio": "sounds", "text": "texts"}
"""What each modality is called in messages."""


@dataclass(frozen=True)
class Item:
    """One sample of a request; `name` is what the client called it."""

    name: str | None
    data: bytes


class RequestError(HoldfastError):
    """A request that is not answered.

    Attributes:
        status: the HTTP status, 4xx.
        item: index of the (first) item that is wrong, if it is one of the items.
    """

    def __init__(self, status: int, message: str, *, hint: str | None = None, item: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.item = item


@dataclass(frozen=True)
class Limits:
    """What one request may hold."""

    max_bytes: int
    max_files: int


@dataclass
class Room:
    """Memory for the bodies of all requests at once. Used from the event loop only."""

    max_bytes: int
    used: int = field(default=0, init=False)

    def claim(self, count: int) -> None:
        """Take room for so many more bytes.

        Raises:
            BusyError: if there is none.
        """
        if self.used + count > self.max_bytes:
            raise BusyError(f"the requests in work fill {self.max_bytes / 1e6:,.0f} MB already")
        self.used += count


class Upload:
    """One request's body: as it arrives, and the room that it takes until `release`."""

    def __init__(self, request: Request, limits: Limits, room: Room) -> None:
        self._request, self._limits, self._room = request, limits, room
        self._claimed = 0
        self._ended = False

    async def items(self, modality: Modality) -> list[Item]:
        """The items of the request.

        What is wrong is said as early as it is known: before the body is read where its type is the fault,
        and in the middle of it where it grows too large, whatever its Content-Length says.

        Raises:
            RequestError: if the request is not one that a model of this modality can answer.
            BusyError: if there is no room for its body.
            ClientDisconnect: if the client went away.
        """
        try:
            parse = _parser(self._request, modality, self._limits.max_files)
            body = await self._read()
        except (RequestError, BusyError):
            await self._drain()
            raise
        if not body:
            raise RequestError(400, "the request is empty", hint=_how(modality))
        items = await asyncio.to_thread(parse, body) if len(body) >= _LARGE else parse(body)
        if len(items) > self._limits.max_files:
            raise _too_many(self._limits.max_files)
        return items

    def release(self) -> None:
        """Give the room back."""
        self._room.used -= self._claimed
        self._claimed = 0

    async def gone(self) -> None:
        """Return once the client has gone away; for after the body was read."""
        while (await self._request.receive())["type"] != "http.disconnect":
            pass

    async def _read(self) -> bytes:
        declared = self._request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limits.max_bytes:
            raise self._too_large()
        body = bytearray()
        while not self._ended:
            chunk = await self._chunk()
            if len(body) + len(chunk) > self._limits.max_bytes:
                raise self._too_large()
            self._room.claim(len(chunk))
            self._claimed += len(chunk)
            body += chunk
        return bytes(body)

    async def _chunk(self) -> bytes:
        try:
            async with asyncio.timeout(_SILENCE_S):
                message = await self._request.receive()
        except TimeoutError:
            self._ended = True
            raise RequestError(
                408, f"nothing arrived for {_SILENCE_S:.0f} s", hint="send the whole body without pauses"
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def _drain(self) -> None:
        """Read on for a moment: a client that is still sending would see a broken connection, no reason."""
        if self._request.headers.get("expect"):  # it asked first, and has sent nothing yet
            return
        with suppress(TimeoutError, ClientDisconnect, RequestError):
            async with asyncio.timeout(_DRAIN_S):
                while not self._ended:
                    await self._chunk()

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            f"the request is larger than {self._limits.max_bytes / 1e6:g} MB",
            hint="send fewer or smaller files, or raise serve.max_mb on the server",
        )


def _parser(request: Request, modality: Modality, max_files: int) -> Callable[[bytes], list[Item]]:
    """How the body is to be read, by its Content-Type."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(415, f"the body is encoded as {encoding!r}", hint="send it as it is")
    whole = request.headers.get("content-type", "")
    kind = whole.partition(";")[0].strip().lower()
    if kind == "application/json":
        return lambda body: _from_json(body, modality)
    if kind == "multipart/form-data":
        return lambda body: _from_multipart(body, whole, modality, max_files)
    major = {"application/ogg": "audio"}.get(kind, kind.partition("/")[0])
    if kind == "application/octet-stream" or (major == modality and major != "text"):
        return lambda body: [Item(None, body)]
    if kind == "text/plain" and modality == "text":
        charset = _charset(whole)
        return lambda body: [Item(None, _as_utf8(body, charset))]
    if kind == "" and request.headers.get("content-length", "0") == "0":
        return lambda _: []
    said = f"not {kind}" if kind else "and the request has no Content-Type"
    raise RequestError(415, f"this model takes {WORDS[modality]}, {said}", hint=_how(modality))


def _from_json(body: bytes, modality: Modality) -> list[Item]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON ({error})", hint=_how_json(modality)) from None
    given = _fields(value, _JSON_FIELDS, modality)
    if len(given) != 1:
        said = f"has {' and '.join(given)}; it needs one of them" if given else "has no item in it"
        raise RequestError(422, f"the JSON {said}", hint=_how_json(modality))
    (key,) = given
    if key == "texts":
        texts = _list(value[key], key, modality)
        return [_json_item({"text": text}, index, modality) for index, text in enumerate(texts)]
    if key == "items":
        return [
            _json_item(entry, index, modality)
            for index, entry in enumerate(_list(value[key], key, modality))
        ]
    return [_json_item(value, 0, modality)]


def _json_item(entry: Any, index: int, modality: Modality) -> Item:
    given = _fields(entry, ("text", "data", "name"), modality, index)
    keys = [key for key in given if key != "name"]
    if len(keys) != 1:
        raise _bad_item(index, "it needs either text or data", modality)
    for key in given:
        if not isinstance(entry[key], str):
            raise _bad_item(index, f"{key} must be a string, not {entry[key]!r:.40}", modality)
    read = _text if keys == ["text"] else _base64
    return Item(entry.get("name"), read(entry[keys[0]], index, modality))


def _text(text: str, index: int, modality: Modality) -> bytes:
    if modality != "text":
        raise _bad_item(index, f"this model takes {WORDS[modality]}, not text", modality)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _bad_item(index, f"half a surrogate pair at character {error.start}", modality) from None


def _base64(text: str, index: int, modality: Modality) -> bytes:
    """The bytes of base64; a data URL before it and line ends within it are let pass."""
    prefix = _DATA_URL.match(text)
    plain = "".join(text[prefix.end() if prefix else 0 :].split())
    try:
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise _bad_item(index, f"data is not base64 ({error})", modality) from None


def _fields(value: Any, known: tuple[str, ...], modality: Modality, index: int | None = None) -> list[str]:
    """The names in a JSON object, all of them known."""
    where = "the JSON" if index is None else f"item {index}"
    hint = _how_json(modality)
    if not isinstance(value, dict):
        raise RequestError(422, f"{where} must be an object, not {value!r:.40}", hint=hint, item=index)
    # `name` is for items, but a lone item stands at the top
    known = (*known, "name") if index is None else known
    for key in value:
        if key not in known and not (index == 0 and key in _JSON_FIELDS):
            near = did_you_mean(key, known)
            said = f"; did you mean {near!r}?" if near else ""
            raise RequestError(422, f"{where} has an unknown field {key!r:.60}{said}", hint=hint, item=index)
    return [key for key in value if index is not None or key != "name"]


def _list(value: Any, key: str, modality: Modality) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise RequestError(422, f"{key} must be a list with something in it", hint=_how_json(modality))
    return value


def _from_multipart(body: bytes, content_type: str, modality: Modality, max_files: int) -> list[Item]:
    from python_multipart import MultipartParser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header

    parts = _Parts(modality, max_files)
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    try:
        if not boundary:
            raise FormParserError("the Content-Type has no boundary")
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
        if not parts.ended:
            raise FormParserError("it ends too early")
    except (FormParserError, UnicodeError) as error:
        raise RequestError(400, f"the multipart body is broken ({error})", hint=_how(modality)) from None
    if not parts.items:
        raise RequestError(422, "the form has no field 'file'", hint=_how(modality))
    return parts.items


class _Parts:
    """What the multipart parser found."""

    def __init__(self, modality: Modality, max_files: int) -> None:
        self.items: list[Item] = []
        self.ended = False
        self._modality, self._max_files = modality, max_files
        self._begin()

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.items) >= self._max_files:
            raise _too_many(self._max_files)
        self._name, self._value, self._disposition = b"", b"", b""
        self._data = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _part_end(self) -> None:
        from python_multipart.multipart import parse_options_header

        options = parse_options_header(self._disposition)[1]
        field_name = options.get(b"name", b"").decode("utf-8", "replace")
        name = options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None
        if field_name == "text" and self._modality == "text":
            self.items.append(Item(name, bytes(self._data)))
        elif field_name in _FILE_FIELDS:
            self.items.append(Item(name, bytes(self._data)))
        else:
            near = did_you_mean(field_name, _FILE_FIELDS) or "file"
            raise RequestError(
                422,
                f"the form has an unknown field {field_name!r:.60}; did you mean {near!r}?",
                hint=_how(self._modality),
            )

    def _end(self) -> None:
        self.ended = True


def _charset(content_type: str) -> str:
    found = re.search(r"charset\s*=\s*\"?([^\s\";]+)", content_type, re.IGNORECASE)
    charset = found[1].lower() if found else "utf-8"
    if charset not in _CHARSETS:
        raise RequestError(415, f"unknown charset {charset!r:.40}", hint="send UTF-8")
    return charset


def _as_utf8(body: bytes, charset: str) -> bytes:
    if charset == "utf-8":
        return body  # the decoder says it if it is not
    try:
        return body.decode(charset).encode()
    except UnicodeError as error:
        raise RequestError(422, f"the text is not {charset} ({error})", hint="send UTF-8", item=0) from None


def _bad_item(index: int, problem: str, modality: Modality) -> RequestError:
    return RequestError(422, f"item {index}: {problem}", hint=_how_json(modality), item=index)


def _too_many(max_files: int) -> RequestError:
    return RequestError(
        413,
        f"the request has more than {max_files} items",
        hint="send them in several requests, or raise serve.max_files on the server",
    )


def _how(modality: Modality) -> str:
    kind = "text/plain" if modality == "text" else f"{modality}/…"
    return f"send the file as form field 'file', as the body with Content-Type {kind}, or as JSON; see /docs"


def _how_json(modality: Modality) -> str:
    if modality == "text":
        return 'send {"text": "…"}, {"texts": ["…"]} or {"items": [{"text": "…", "name": "…"}]}; see /docs'
    return 'send {"data": "<base64>"} or {"items": [{"data": "<base64>", "name": "…"}]}; see /docs'
