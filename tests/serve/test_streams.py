import itertools
import json
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InputError
from holdfast.serve.bodies import Item, RequestError
from holdfast.serve.streams import Entry, Stream, stream_of

LINES = {"content-type": "application/x-ndjson; charset=utf-8"}
FORM = {"content-type": "multipart/form-data; boundary=xx"}


def form(*files: bytes, field: str = "file") -> bytes:
    head = f'--xx\r\nContent-Disposition: form-data; name="{field}"; filename="a"\r\n\r\n'.encode()
    return b"".join(head + it + b"\r\n" for it in files) + b"--xx--\r\n"


def read(stream: Stream, body: bytes, cuts: Sequence[int] = ()) -> list[Entry]:
    """All entries of a body that comes in pieces."""
    places = [0, *sorted(cuts), len(body)]
    found: list[Entry] = []
    for start, end in itertools.pairwise(places):
        found += stream.feed(body[start:end])
    return found + stream.end()


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=5)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=4))
def test_lines_are_the_same_wherever_they_are_cut(texts: list[str], cuts: list[int]) -> None:
    body = "\n".join(json.dumps({"text": it, "name": "n"}, ensure_ascii=False) for it in texts).encode()
    cuts = [min(it, len(body)) for it in cuts]

    found = read(stream_of(LINES, "text", 1000), body, cuts)

    assert found == [Item("n", it.encode()) for it in texts]


@given(
    st.lists(st.binary(max_size=20).filter(lambda it: b"--xx" not in it), min_size=1, max_size=4),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_forms_are_the_same_wherever_they_are_cut(files: list[bytes], cuts: list[int]) -> None:
    body = form(*files)
    cuts = [min(it, len(body)) for it in cuts]

    assert read(stream_of(FORM, "image", 1000), body, cuts) == [Item("a", it) for it in files]


@given(st.binary(max_size=200), st.sampled_from([LINES, FORM]))
def test_no_bytes_make_it_stumble(body: bytes, headers: dict[str, str]) -> None:
    with suppress(RequestError):
        read(stream_of(headers, "image", 50), body, [len(body) // 2])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not a line of JSON"),
        ("7", "must be an object, not 7"),
        ('{"text": 7}', "text must be a string"),
        ('{"txt": "a"}', "unknown field 'txt'; did you mean 'text'?"),
        ("[" * 10_000, "not a line of JSON"),
        ("[" * 100_000, "of more than 100 parts"),
        ('{"text": "' + "a" * 2000 + '"}', "larger than 0.0005 MB"),
    ],
)
def test_a_bad_line_is_told_and_the_next_one_is_read(line: str, said: str) -> None:
    max_bytes = 200_000 if line.startswith("[[") else 500

    bad, good = read(stream_of(LINES, "text", max_bytes), f'{line}\n\r\n{{"text": "b"}}'.encode())

    assert isinstance(bad, InputError)
    assert said in bad.message
    assert "texts" not in (bad.hint or "")  # which no line may have
    assert good == Item(None, b"b")


def test_a_part_that_is_too_large_is_told_and_never_kept() -> None:
    stream = stream_of(FORM, "image", 100)

    entries = stream.feed(form(b"x" * 10_000, b"y")[:5000])
    assert entries == []
    assert stream.held <= 101
    bad, good = stream.feed(form(b"x" * 10_000, b"y")[5000:])

    assert isinstance(bad, InputError)
    assert good == Item("a", b"y")


def test_a_field_of_another_name_is_told() -> None:
    (bad,) = read(stream_of(FORM, "image", 100), form(b"x", field="fil"))

    assert isinstance(bad, InputError)
    assert "did you mean 'file'?" in bad.message


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"content-type": "image/png"}, 415),
        ({**LINES, "content-encoding": "gzip"}, 415),
        ({"content-type": "multipart/form-data"}, 400),
        ({"content-type": "multipart/form-data; boundary=" + "x" * 1000}, 400),
    ],
)
def test_other_bodies_are_refused_by_their_heads(headers: dict[str, str], status: int) -> None:
    with pytest.raises(RequestError) as caught:
        stream_of(headers, "image", 100)

    assert caught.value.status == status


def test_a_form_that_ends_too_early_is_broken() -> None:
    with pytest.raises(RequestError, match="ends too early"):
        read(stream_of(FORM, "image", 100), form(b"x")[:-8])
