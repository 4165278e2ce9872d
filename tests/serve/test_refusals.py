"""Refusals are in JSON, and their hints help."""

import io
import struct
import zlib
from collections.abc import Callable

import httpx
import numpy as np
import pytest
import soundfile

Clients = Callable[..., httpx.Client]


def huge_picture() -> bytes:
    """A PNG of a few bytes that says it has 10 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def long_sound() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(2000 * 1000), 1000, format="FLAC")
    return file.getvalue()


@pytest.mark.parametrize(
    ("modality", "data", "hint"),
    [
        ("image", huge_picture(), "make the picture smaller"),
        ("audio", long_sound(), "/jobs"),
        ("text", b"a " * 600_000, "cut it"),
    ],
    ids=["image", "audio", "text"],
)
def test_what_is_too_large_is_not_asked_for_in_another_format(
    modality: str, data: bytes, hint: str, clients: Clients
) -> None:
    answer = clients(modality).post("/predict", files={"file": data})

    assert answer.status_code == 422
    assert hint in answer.json()["hint"]


def test_a_slash_too_many_leads_nowhere_else(clients: Clients) -> None:
    answer = clients("image").post("/predict/", headers={"Host": "localhost"})

    assert answer.status_code == 404
    assert answer.json() == {
        "error": "there is nothing at /predict/",
        "hint": "leave out the slash at its end",
    }
    assert clients("image").get("/no/").status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/info", "/metrics", "/v2/health/ready", "/models"])
def test_monitors_may_ask_with_head(path: str, clients: Clients) -> None:
    answer = clients("image").head(path)

    assert (answer.status_code, answer.content) == (200, b"")
