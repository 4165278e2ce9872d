"""What is made to cost much, and to stay behind."""

import io
import json
import os
import subprocess
import sys
import tracemalloc
import wave
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.serve.bodies import RequestError, read_json, reader_of
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_bundle, toy_item

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Engines = Callable[..., Engine]
Clients = Callable[..., httpx.Client]


def bomb(side: int) -> bytes:
    """A PNG of one grey, whose pixels take a thousandth of their room."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    head = side.to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def sound(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as it:
        it.setnchannels(1)
        it.setsampwidth(1)
        it.setframerate(8000)
        it.writeframes(bytes(int(8000 * seconds)))
    return file.getvalue()


PEAK = """
import resource, sys
from pathlib import Path
from holdfast.bundle import open_bundle
from holdfast.core.errors import InputError
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item

engine = Engine(open_bundle(Path(sys.argv[1])), threads=1)
engine.decode(toy_item("image"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    engine.decode(Path(sys.argv[2]).read_bytes())
except InputError as error:
    print(error.message)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_a_picture_of_144_megapixels_in_140_kb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    data = bomb(12_000)
    (tmp_path / "bomb.png").write_bytes(data)
    command = [sys.executable, "-c", PEAK, str(toy_bundle(tmp_path / "b")), str(tmp_path / "bomb.png")]

    said, grown_mb = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert len(data) < 200_000
    assert said == "image of 12000 × 12000 pixels, more than 50,000,000 in all"
    assert int(grown_mb) < 20


@pytest.mark.parametrize(
    ("modality", "limits", "small", "large"),
    [
        ("image", {"max_pixels": 10_000}, bomb(100), bomb(101)),
        ("audio", {"max_s": 1.5}, sound(1.5), sound(1.6)),
        ("text", {"max_chars": 20}, b"a gull and a boat", b"a gull and a boat, and more"),
    ],
    ids=["image", "audio", "text"],
)
def test_a_server_may_be_stricter_than_its_bundle(
    tmp_path: Path, serve: Serve, modality: str, limits: dict[str, Any], small: bytes, large: bytes
) -> None:
    from holdfast.bundle import open_bundle

    engine = Engine(open_bundle(toy_bundle(tmp_path / "b", modality=modality)), threads=1)  # type: ignore[arg-type]
    with serve(engine, limits=limits) as client:
        answers = [client.post("/predict", files={"file": data}).status_code for data in (small, large)]
        told = client.get("/info").json()["limits"]
    engine.close()

    assert answers == [200, 422]
    assert limits.items() <= told.items()


def test_a_limit_above_the_bundles_own_changes_nothing(own_engine: Engine) -> None:
    from holdfast.config.protection import LimitConfig

    before = own_engine.preparation
    own_engine.restrict(LimitConfig(max_pixels=10**9, max_s=1, max_chars=1))

    assert own_engine.preparation == before


@pytest.mark.parametrize("part", ["[]", "{}", '"ab"', "1.5", '"\\""'])
def test_json_of_many_small_parts_is_refused_before_it_takes_memory(part: str) -> None:
    body = f'{{"texts": [{",".join([part] * 300_000)}]}}'.encode()
    read = reader_of({"content-type": "application/json"}, "text", 64)
    tracemalloc.start()

    with pytest.raises(RequestError, match="parts") as error:
        read(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert error.value.status == 413
    assert peak < 1_000_000


def test_large_json_of_few_parts_is_read() -> None:
    texts = ['{"[1,2,3]": "' * 20_000, "\\" * 50_000, "é" * 50_000]
    read = reader_of({"content-type": "application/json"}, "text", 64)

    items = read(json.dumps({"texts": texts}).encode())

    assert [item.data.decode() for item in items] == texts


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_parts_are_counted_as_they_are(value: Any) -> None:
    from holdfast.serve import bodies

    def parts(it: Any) -> int:
        if isinstance(it, dict):
            return 1 + sum(1 + parts(inner) for inner in it.values())
        if isinstance(it, list):
            return 1 + sum(map(parts, it))
        return int(isinstance(it, str | int | float) and not isinstance(it, bool))

    assert len(bodies._PART_OF_JSON.findall(json.dumps(value).encode())) == parts(value)


def test_a_string_without_end_is_read_once() -> None:
    body = b'{"text": "' + b'\\"' * 2_000_000

    with pytest.raises(RequestError, match="is not JSON"):
        read_json(body, 100, "")


@pytest.mark.parametrize("name", ["a" * 10_000, "a: b\r\nX-More"])
def test_the_headers_of_a_part_are_counted(clients: Clients, name: str) -> None:
    head = f"--x\r\nContent-Disposition: form-data; name=file\r\nX-{name}: {'b' * 9_000}\r\n\r\n"

    response = clients("image").post(
        "/predict",
        content=head.encode() + toy_item("image") + b"\r\n--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )

    assert response.status_code == 400
    assert "multipart" in response.json()["error"] or "headers" in response.json()["error"]


DISK = """
import os, sys, tempfile
from pathlib import Path

written = []

def watch(event, args):
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    is_open = event == "open" and isinstance(args[0], str | bytes) and (args[2] or 0) & writes
    if is_open or event in ("tempfile.mkstemp", "tempfile.mkdtemp", "os.mkdir", "os.rename"):
        path = os.fsdecode(args[0])
        if not path.startswith(sys.argv[1]):  # where the server keeps what it has measured
            written.append(path)

import httpx
from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.bundles import toy_item

engine = Engine(open_bundle(Path(sys.argv[1])), threads=1)
config = ServeConfig(port=0)
with running(create_app(engine, config, ref="toys"), config) as url:
    httpx.post(f"{url}/predict", files={"file": toy_item("image")})
    sys.addaudithook(watch)
    large = toy_item("image") + bytes(5_000_000)
    for body in (
        {"files": [("file", large), ("file", toy_item("image"))]},
        {"content": large, "headers": {"Content-Type": "image/png"}},
        {"content": b"x" * 26_000_000, "headers": {"Content-Type": "image/png"}},
        {"content": (b"x" * 1_000_000 for _ in range(3)), "headers": {"Content-Type": "image/png"}},
    ):
        print(httpx.post(f"{url}/predict", timeout=30, **body).status_code)
print(written)
"""


def test_what_is_uploaded_never_touches_the_disk(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DISK, str(toy_bundle(tmp_path / "b"))]
    nowhere = {"TMPDIR": "/nowhere", "HOME": str(tmp_path / "home")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **nowhere}, cwd=tmp_path
    )

    *statuses, written = done.stdout.splitlines()
    assert statuses == ["200", "200", "413", "422"]
    assert written == "[]"


def test_an_answer_to_what_breaks_the_server_has_no_trace(
    own_engine: Engine, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: bytes) -> Any:
        raise RuntimeError("the password is in /etc/secret")

    with serve(own_engine) as client:
        own_engine.decode = broken  # type: ignore[method-assign]
        response = client.post("/predict", files={"file": toy_item("image")})

    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert response.headers["X-Request-Id"] in response.json()["hint"]
