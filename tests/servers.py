"""Real servers of objects for the tests: S3 by moto, Google Cloud by an emulator, faults in between."""

import atexit
import hashlib
import http.server
import json
import os
import re
import shutil
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from holdfast.core.errors import InputError
from holdfast.data import ingest
from holdfast.data.remote import Bucket, open_remote
from holdfast.testing.proxy import Proxy, faulty
from holdfast.testing.toys import write_texts

SECRET = "this-is-the-secret-key"
BUCKET = "a-bucket"


def look(modality: str, data: bytes) -> dict[str, int]:
    if not data.strip():
        raise InputError("empty text")
    return {"chars": len(data.decode())}


def store(folder: Path, *, versions: int = 1, seed: int = 0) -> Path:
    """A store with a dataset `sea` of some texts, in one shard per version; made once, then copied."""
    return Path(shutil.copytree(_made(versions, seed), folder / "store", dirs_exist_ok=True))


@cache
def _made(versions: int, seed: int) -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for number in range(versions):
        table = write_texts(folder / f"sea{number}.csv", per_class=20 + 5 * number, seed=seed)
        ingest(table, folder / "store", "sea", probe=look)
    return folder / "store"


@contextmanager
def s3_server(patch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    import botocore.loaders
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with faulty(f"http://{host}:{port}") as proxy:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            told = {
                "AWS_ACCESS_KEY_ID": "AKIATESTING",
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_REGION": "us-east-1",
            }
            for name, value in {**told, "AWS_ENDPOINT_URL": proxy.url, "AWS_CONFIG_FILE": os.devnull}.items():
                patch.setenv(name, value)
            loader = botocore.loaders.create_loader()  # each connection would read the same large files anew
            patch.setattr("botocore.loaders.create_loader", lambda *_: loader)
            _ask("POST", f"http://{host}:{port}/moto-api/reset")
            _ask("PUT", f"http://{host}:{port}/{BUCKET}")
            yield proxy
    finally:
        server.stop()


@contextmanager
def gcs_server(patch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    upstream = f"http://127.0.0.1:{server._api._httpd.server_port}"
    try:
        with faulty(upstream) as proxy:
            patch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
            proxy.ranges = True  # the emulator knows neither ranges nor conditions; the proxy adds them
            proxy.refuse = lambda method, path, body: 412 if _is_taken(upstream, path, body) else 0
            yield proxy
    finally:
        server.stop()


def _is_taken(upstream: str, path: str, body: bytes) -> bool:
    name = re.search(rb'"name": "([^"]+)"', body)
    if "ifGenerationMatch=0" not in path or name is None:
        return False
    where = f"{upstream}/storage/v1/b/{BUCKET}/o/{quote(name[1].decode(), safe='')}"
    try:
        _ask("GET", where)
    except urllib.error.HTTPError:
        return False
    return True


def _ask(method: str, url: str) -> None:
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
    urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=20).close()


def put_files(address: str, folder: Path) -> None:
    """Copy the files of a folder to a bucket, whatever their names."""
    bucket = open_remote(address)
    assert isinstance(bucket, Bucket)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        bucket._fs.pipe_file(
            f"{bucket.bucket}/{bucket.prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes()
        )


@contextmanager
def hub_server(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[str]:
    """What the Hugging Face hub answers for the datasets in a folder, `<folder>/<user>/<name>/…`."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, _, rest = urlsplit(self.path).path.strip("/").partition("/")
            if kind == "datasets":  # datasets/user/name/resolve/main/path
                user, name, _, _, path = unquote(rest).split("/", 4)
                return self._answer((folder / user / name / path).read_bytes())
            user, name, *_ = [*rest.removeprefix("datasets/").split("/"), ""]
            top = folder / user / name
            if not top.is_dir():
                return self._answer(b"{}", 404, {"X-Error-Code": "RepoNotFound"})
            if "/tree/" not in rest:
                return self._json({"id": f"{user}/{name}", "sha": "0" * 40, "siblings": [], "private": False})
            return self._json([self._entry(top, path) for path in sorted(top.rglob("*"))])

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:
            user, name = self.path.removeprefix("/api/datasets/").split("/")[:2]
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                wanted = json.loads(body)["paths"]
            except ValueError:
                wanted = parse_qs(body)["paths"]
            top = folder / user / name
            self._json([self._entry(top, top / path) for path in wanted if (top / path).exists()])

        def _entry(self, top: Path, path: Path) -> dict[str, object]:
            inner = path.relative_to(top).as_posix()
            oid = hashlib.sha1(inner.encode()).hexdigest()
            if path.is_dir():
                return {"type": "directory", "path": inner, "oid": oid, "size": 0}
            return {"type": "file", "path": inner, "oid": oid, "size": path.stat().st_size}

        def _json(self, value: object) -> None:
            self._answer(json.dumps(value).encode(), headers={"Content-Type": "application/json"})

        def _answer(self, data: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
            whole = len(data)
            if status == 200 and (span := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))):
                data, status = data[int(span[1]) : int(span[2]) + 1], 206 if int(span[1]) < whole else 416
            self.send_response(status)
            for key, value in {**(headers or {}), "Content-Length": str(len(data)), "ETag": '"1"'}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr("huggingface_hub.constants.ENDPOINT", url)
    patch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
