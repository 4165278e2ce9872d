"""Whatever a body holds, it becomes items or a refusal that says why."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.media import Modality
from holdfast.serve.batching import BusyError
from holdfast.serve.bodies import Item, RequestError, reader_of
from holdfast.serve.requests import Room

MODALITIES: list[Modality] = ["image", "audio", "text"]
KINDS = ["application/json", "multipart/form-data; boundary=b", "text/plain", "text/plain; charset=utf-16"]
KINDS += ["image/png", "audio/wav", "application/octet-stream", "", "video/mp4", "multipart/form-data"]

keys = st.sampled_from(["text", "texts", "data", "items", "name", "other"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("eA=="),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def items_or_refusal(body: bytes, kind: str, modality: Modality) -> list[Item] | RequestError:
    try:
        got: list[Item] | RequestError = reader_of({"content-type": kind}, modality, 3)(body)
    except RequestError as error:
        got = error
    if isinstance(got, RequestError):
        assert 400 <= got.status < 500
        assert got.message
        assert got.hint
    else:
        assert 1 <= len(got) <= 3
    return got


@given(st.binary(max_size=200), st.sampled_from(KINDS), st.sampled_from(MODALITIES))
def test_any_bytes_are_items_or_refused(body: bytes, kind: str, modality: Modality) -> None:
    items_or_refusal(body, kind, modality)


@given(values, st.sampled_from(MODALITIES))
def test_any_json_is_items_or_refused(value: Any, modality: Modality) -> None:
    items_or_refusal(json.dumps(value).encode(), "application/json", modality)


@given(
    st.lists(st.binary(max_size=50).map(lambda it: it.replace(b"b", b"")), min_size=1, max_size=3), st.data()
)
def test_a_form_is_whole_or_refused(contents: list[bytes], data: st.DataObject) -> None:
    body = b"".join(PART + content + b"\r\n" for content in contents) + b"--b--"
    cut = data.draw(st.integers(0, len(body) - 3))

    whole = items_or_refusal(body, KINDS[1], "image")
    torn = items_or_refusal(body[:cut], KINDS[1], "image")

    assert whole == [Item("a", content) for content in contents]
    assert isinstance(torn, RequestError)


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("form", ["texts", "items", "file"])
def test_items_are_counted_before_they_are_kept(form: Literal["texts", "items", "file"], count: int) -> None:
    kind = "application/json"
    if form == "file":
        kind, body = KINDS[1], (PART + b"x\r\n") * count + b"--b--"
    else:
        entry = "x" if form == "texts" else {"text": "x"}
        body = json.dumps({form: [entry] * count}).encode()

    got = items_or_refusal(body, kind, "text")

    if count == 3:
        assert [item.data for item in got] == [b"x"] * 3  # type: ignore[union-attr]
    else:
        assert isinstance(got, RequestError)
        assert (got.status, got.message) == (413, "the request has more than 3 items")


def test_bodies_have_room_in_memory_only_up_to_a_limit() -> None:
    room = Room(10)
    room.claim(10)

    with pytest.raises(BusyError, match="fill"):
        room.claim(1)
