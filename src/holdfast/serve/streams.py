"""Items of a body that is read as it arrives, so that it may be larger than memory."""

from collections.abc import Mapping
from typing import Protocol

from holdfast.core.errors import InputError
from holdfast.core.media import Modality
from holdfast.serve.bodies import Item, Parts, RequestError, how, json_item, read_json

Entry = Item | InputError
"""An item, or why there is none in its place."""
_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/json-seq")
_PARTS = 100
"""Strings and numbers in one line: there is no use for so many."""
_LINE = {
    "text": 'send {"text": "…", "name": "…"} on each line',
    "data": 'send {"data": "<base64>", "name": "…"} on each line',
}
"""What a line is to be, for whoever sends another."""
KIND = _LINES[0]
"""The Content-Type of lines of JSON."""


class Stream(Protocol):
    """Takes a body in pieces."""

    @property
    def held(self) -> int:
        """Bytes of an item whose end has not come yet."""
        ...

    def feed(self, chunk: bytes) -> list[Entry]:
        """The items that end within this piece.

        Raises:
            RequestError: if nothing can be read from here on.
        """
        ...

    def end(self) -> list[Entry]:
        """What is left where the body ends.

        Raises:
            RequestError: if it should not end here.
        """
        ...


def stream_of(headers: Mapping[str, str], modality: Modality, max_bytes: int) -> Stream:
    """How a body is to be read, by its Content-Type: lines of JSON, or a form of files.

    Args:
        headers: of the request, with names in lower case.
        max_bytes: a larger item is refused by itself, and never kept.

    Raises:
        RequestError: if it is of another kind.

    >>> stream_of({"content-type": "application/x-ndjson"}, "text", 99).feed(b'{"text": "the sea"}')
    []
    """
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(415, f"the body is encoded as {encoding!r:.40}", hint="send it as it is")
    whole = headers.get("content-type", "")
    kind = whole.partition(";")[0].strip().lower()
    if kind in _LINES:
        return LineStream(modality, max_bytes)
    if kind == "multipart/form-data":
        return FormStream(whole, modality, max_bytes)
    said = f"not {kind:.60}" if kind else "and the request has no Content-Type"
    raise RequestError(415, f"many items come as {KIND} or multipart/form-data, {said}", hint="see /docs")


class LineStream:
    """A line of JSON for each item, such as `{"text": "…"}` or `{"data": "<base64>", "name": "…"}`."""

    def __init__(self, modality: Modality, max_bytes: int) -> None:
        self._modality, self._max_bytes = modality, max_bytes
        self._most = max_bytes * 4 // 3 + 1000  # base64, and the words around it
        self._rest = bytearray()
        self._is_too_long = False

    @property
    def held(self) -> int:
        """See `Stream`."""
        return len(self._rest)

    def feed(self, chunk: bytes) -> list[Entry]:
        """See `Stream`."""
        *lines, last = chunk.split(b"\n")
        found: list[Entry] = []
        for line in lines:
            self._add(line)
            found += self._entry()
        self._add(last)
        return found

    def end(self) -> list[Entry]:
        """See `Stream`."""
        return self._entry()

    def _add(self, data: bytes) -> None:
        if len(self._rest) + len(data) > self._most:
            self._is_too_long = True
            self._rest.clear()
        elif not self._is_too_long:
            self._rest += data

    def _entry(self) -> list[Entry]:
        """The item of the line that has ended; none of an empty one."""
        line, is_too_long = bytes(self._rest).strip(b" \t\r\x1e"), self._is_too_long
        self._rest.clear()
        self._is_too_long = False
        if is_too_long:
            return [_too_large(self._max_bytes)]
        if not line:
            return []
        hint = _LINE["text" if self._modality == "text" else "data"]
        try:
            return [json_item(read_json(line, _PARTS, hint), 0, self._modality)]
        except RequestError as error:
            said = error.message.removeprefix("item 0 ").replace("the body is not JSON", "not a line of JSON")
            return [InputError(said, hint=hint)]


class FormStream:
    """A form of files."""

    def __init__(self, content_type: str, modality: Modality, max_bytes: int) -> None:
        from python_multipart import MultipartParser
        from python_multipart.multipart import parse_options_header

        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        self._modality = modality
        self._error: RequestError | None = None
        self._parts = _CappedParts(modality, max_bytes)
        if not boundary:
            raise self._broken("the Content-Type has no boundary")
        try:
            self._parser = MultipartParser(boundary, self._parts.callbacks())  # type: ignore[arg-type]
        except ValueError as error:  # a boundary that is far too long
            raise self._broken(error) from None

    @property
    def held(self) -> int:
        """See `Stream`."""
        return self._parts.held

    def feed(self, chunk: bytes) -> list[Entry]:
        """See `Stream`."""
        from python_multipart.exceptions import FormParserError

        if self._error:
            raise self._error
        try:
            self._parser.write(chunk)
        except (FormParserError, UnicodeError) as error:
            self._error = self._broken(error)
            if not self._parts.found:
                raise self._error from None
        found, self._parts.found = self._parts.found, []
        return found

    def end(self) -> list[Entry]:
        """See `Stream`."""
        if self._error or not self._parts.ended:
            raise self._error or self._broken("it ends too early")
        return []

    def _broken(self, why: object) -> RequestError:
        return RequestError(400, f"the multipart body is broken ({why})", hint=how(self._modality))


class _CappedParts(Parts):
    """What the parser found since it was last asked; a part that is too large is let pass by."""

    def __init__(self, modality: Modality, max_bytes: int) -> None:
        self.found: list[Entry] = []
        self._max_bytes = max_bytes
        super().__init__(modality, 1)

    @property
    def held(self) -> int:
        """Bytes of the part whose end has not come yet."""
        return len(self._data)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if len(self._data) <= self._max_bytes:
            self._data += data[start:end][: self._max_bytes + 1 - len(self._data)]

    def _part_end(self) -> None:
        is_too_large = len(self._data) > self._max_bytes
        try:
            super()._part_end()
            item = self.items.pop()
        except RequestError as error:
            self.found.append(InputError(error.message, hint=error.hint))
            return
        self.found.append(_too_large(self._max_bytes) if is_too_large else item)


def _too_large(max_bytes: int) -> InputError:
    return InputError(
        f"larger than {max_bytes / 1e6:g} MB", hint="send smaller files, or raise serve.max_mb on the server"
    )
