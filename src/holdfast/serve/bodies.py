"""What a request's body can be: a file as it is, a form of files, or JSON; each becomes items."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from holdfast.core.errors import HoldfastError
from holdfast.core.media import Modality
from holdfast.core.refs import did_you_mean

_FILE_FIELDS = ("file", "files")
_JSON_FIELDS = ("text", "texts", "data", "items")
_CHARSETS = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252", "utf-16")
_SMALL = 64 * 1024
_PARTS = 16
"""Strings and the like that describe one item of JSON, at most."""
_PART_OF_JSON = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[-0-9][-+.0-9eE]*+', re.DOTALL)
"""Never goes back, so that it takes as long as the body has bytes."""
_HEADER_BYTES = 8192
_DATA_URL = re.compile(r"data:[\w.+/-]*(;[\w=.+-]+)*;base64,", re.ASCII)
FORMATS: dict[Modality, str] = {
    "image": "send a whole JPEG, PNG, WebP, GIF, TIFF or BMP file",
    "audio": "send a whole WAV, FLAC, Ogg or MP3 file",
    "text": "send UTF-8 text",
}
"""The hint for an item that cannot be decoded."""

Reader = Callable[[bytes], list["Item"]]

WORDS: dict[Modality, str] = {"image": "pictures", "audio": "sounds", "text": "texts"}
"""What each modality is called in messages."""


@dataclass(frozen=True)
class Item:
    """One sample of a request; `name` is what the client called it.

    What the client decoded itself is an array of shape (parts, …), checked already.
    """

    name: str | None
    data: bytes | np.ndarray


class RequestError(HoldfastError):
    """A request that is not answered.

    Attributes:
        status: the HTTP status, 4xx.
        item: index of the (first) item that is wrong, if it is one of the items.
    """

    def __init__(
        self, status: int, message: str, *, hint: str | None = None, item: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.item = item


def reader_of(headers: Mapping[str, str], modality: Modality, max_files: int) -> Reader:
    """How a body is to be read, by its Content-Type.

    Args:
        headers: of the request, with names in lower case.
        modality: of the model.
        max_files: more items are refused.

    Raises:
        RequestError: if no model of this modality can read such a body. The reader raises it too.

    >>> reader_of({"content-type": "text/plain"}, "text", 1)(b"the sea")
    [Item(name=None, data=b'the sea')]
    """
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(415, f"the body is encoded as {encoding!r}", hint="send it as it is")
    whole = headers.get("content-type", "")
    kind = whole.partition(";")[0].strip().lower()
    if kind == "application/json":
        return lambda body: _from_json(body, modality, max_files)
    if kind == "multipart/form-data":
        return lambda body: _from_multipart(body, whole, modality, max_files)
    major = {"application/ogg": "audio"}.get(kind, kind.partition("/")[0])
    if kind == "application/octet-stream" or (major == modality and major != "text"):
        return lambda body: [Item(None, body)]
    if kind == "text/plain" and modality == "text":
        charset = _charset(whole)
        return lambda body: [Item(None, _as_utf8(body, charset))]
    said = f"not {kind}" if kind else "and the request has no Content-Type"
    refusal = RequestError(415, f"this model takes {WORDS[modality]}, {said}", hint=how(modality))
    if kind:
        raise refusal

    def refuse(_: bytes) -> list[Item]:
        raise refusal

    return refuse  # after the body is read: if there is none, there is a better reason


def read_json(body: bytes, most: int, hint: str) -> Any:
    """The value of a body of JSON.

    Lists within lists take twenty times as much memory as their text: 25 MB of `[]` took 560 MB.

    Args:
        body: as it arrived.
        most: strings, numbers, lists and objects in it.
        hint: what to send.

    Raises:
        RequestError: if it is no JSON, or of more parts.
    """
    if len(body) > _SMALL and any(count >= most for count, _ in enumerate(_PART_OF_JSON.finditer(body))):
        raise RequestError(413, f"the JSON is of more than {most:,} parts", hint=hint)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON ({error})", hint=hint) from None


def _from_json(body: bytes, modality: Modality, max_files: int) -> list[Item]:
    hint = how_json(modality)
    value = read_json(body, _PARTS * max_files + _PARTS, hint)
    if not isinstance(value, dict):
        raise RequestError(422, f"the JSON must be an object, not {_shown(value)}", hint=hint)
    many = "items" in value or "texts" in value
    _check_fields(value, _JSON_FIELDS if many else (*_JSON_FIELDS, "name"), "the JSON", hint)
    given = [key for key in _JSON_FIELDS if key in value]
    if len(given) != 1:
        said = f"has {' and '.join(given)}, but needs one of them" if given else "has no item in it"
        raise RequestError(422, f"the JSON {said}", hint=hint)
    entries = value[given[0]] if many else [value]
    if not isinstance(entries, list) or not entries:
        raise RequestError(422, f"{given[0]} must be a list with something in it", hint=hint)
    if len(entries) > max_files:
        raise _too_many(max_files)
    if given == ["texts"]:
        entries = [{"text": text} for text in entries]
    return [json_item(entry, index, modality) for index, entry in enumerate(entries)]


def json_item(entry: Any, index: int, modality: Modality) -> Item:
    """The item that an object of JSON describes.

    Raises:
        RequestError: if it describes none.
    """
    if not isinstance(entry, dict):
        raise _bad_item(index, f"must be an object, not {_shown(entry)}", modality)
    _check_fields(entry, ("text", "data", "name"), f"item {index}", how_json(modality), index)
    for key, value in entry.items():
        if not isinstance(value, str):
            raise _bad_item(index, f"{key} must be a string, not {_shown(value)}", modality)
    if ("text" in entry) == ("data" in entry):
        raise _bad_item(index, "needs either text or data", modality)
    data = (
        _text(entry["text"], index, modality) if "text" in entry else _base64(entry["data"], index, modality)
    )
    return Item(entry.get("name"), data)


def _check_fields(
    given: dict[str, Any], known: tuple[str, ...], where: str, hint: str, index: int | None = None
) -> None:
    for key in given:
        if key not in known:
            near = did_you_mean(key, known)
            said = f"; did you mean {near!r}?" if near else ""
            raise RequestError(422, f"{where} has an unknown field {key!r:.60}{said}", hint=hint, item=index)


def _text(text: str, index: int, modality: Modality) -> bytes:
    if modality != "text":
        raise _bad_item(index, f"is text, but this model takes {WORDS[modality]}", modality)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _bad_item(index, f"has half a surrogate pair at character {error.start}", modality) from None


def _base64(text: str, index: int, modality: Modality) -> bytes:
    """The bytes of base64; a data URL before it and line ends within it are let pass."""
    prefix = _DATA_URL.match(text)
    plain = "".join(text[prefix.end() if prefix else 0 :].split())
    try:
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise _bad_item(index, f"is not base64 ({error})", modality) from None


def _from_multipart(body: bytes, content_type: str, modality: Modality, max_files: int) -> list[Item]:
    from python_multipart import MultipartParser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header

    parts = Parts(modality, max_files)
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
        raise RequestError(400, f"the multipart body is broken ({error})", hint=how(modality)) from None
    if not parts.items:
        raise RequestError(422, "the form has no field 'file'", hint=how(modality))
    return parts.items


class Parts:
    """What the multipart parser found."""

    def __init__(self, modality: Modality, max_files: int) -> None:
        self.items: list[Item] = []
        self.ended = False
        self._modality, self._max_files = modality, max_files
        self._begin()

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """What the parser is to call."""
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
        self._header_bytes = 0
        self._data = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, size: int) -> None:
        """Newer releases of the parser do so themselves."""
        self._header_bytes += size
        if self._header_bytes > _HEADER_BYTES:
            raise RequestError(
                400,
                f"a part of the form has more than {_HEADER_BYTES} bytes of headers",
                hint=how(self._modality),
            )

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
        if (field_name == "text" and self._modality == "text") or field_name in _FILE_FIELDS:
            self.items.append(Item(name, bytes(self._data)))
        else:
            near = did_you_mean(field_name, _FILE_FIELDS) or "file"
            raise RequestError(
                422,
                f"the form has an unknown field {field_name!r:.60}; did you mean {near!r}?",
                hint=how(self._modality),
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
    return RequestError(422, f"item {index} {problem}", hint=how_json(modality), item=index)


def _too_many(max_files: int) -> RequestError:
    return RequestError(
        413,
        f"the request has more than {max_files} items",
        hint="send them in several requests, or raise serve.max_files on the server",
    )


def how(modality: Modality) -> str:
    """The hint of how to send items."""
    kind = "text/plain" if modality == "text" else f"{modality}/…"
    return f"send the file as form field 'file', as the body with Content-Type {kind}, or as JSON; see /docs"


def how_json(modality: Modality) -> str:
    """The hint of how to send items as JSON."""
    if modality == "text":
        return 'send {"text": "…"}, {"texts": ["…"]} or {"items": [{"text": "…", "name": "…"}]}; see /docs'
    return 'send {"data": "<base64>"} or {"items": [{"data": "<base64>", "name": "…"}]}; see /docs'


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
