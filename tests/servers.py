"""Real servers of objects for the tests: S3 by moto, Google Cloud by an emulator, faults in between."""

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

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


def store(folder: Path, *, name: str = "sea", per_class: int = 20, versions: int = 1, seed: int = 0) -> Path:
    """A store with a dataset of some texts in one shard per version."""
    for number in range(versions):
        table = write_texts(folder / f"{name}{number}.csv", per_class=per_class + 5 * number, seed=seed)
        ingest(table, folder / "store", name, probe=look)
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
