"""Pushing a version to a folder and to S3, served by moto on this machine, against `dvc push`."""

import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import dvc
from benchmarks.commands import HOLDFAST, has, run
from benchmarks.race import OURS, Race

_FOLDER = "push to a folder: dvc push / data push"
_S3 = "push to S3 (moto): dvc push / data push"
_LIMITS = {_FOLDER: 10.0, _S3: 10.0}
_KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def main(source: Path, folder: Path, race: Race, *, repeats: int = 1) -> dict[str, float]:
    """Measure what is pushed to places where nothing is yet; the least ratios that are asked for."""
    if not has("push"):
        return {}
    home = folder / "home"
    run([*HOLDFAST, "data", "add", source, "--name", "f", "--home", home])
    repository = dvc.Repository(folder / "dvc", {})
    run(["cp", "-a", source, repository.data])
    repository.dvc("add", "-q", "data")
    with s3(folder) as address:
        for turn in range(repeats):
            for work, there in ((_FOLDER, str(folder / "far")), (_S3, "s3://bucket")):
                theirs = f"{there}/dvc{turn}"
                remote = f"remote{turn}{work == _S3:d}"
                repository.dvc("remote", "add", remote, theirs)
                if work == _S3:
                    repository.dvc("remote", "modify", remote, "endpointurl", address)
                ours = [*HOLDFAST, "data", "push", "f@1", f"{there}/holdfast{turn}", "--home", home]
                runners = {
                    "DVC": partial(repository.dvc, "push", "-q", "-r", remote),
                    OURS: partial(run, ours, env={"AWS_ENDPOINT_URL": address}),
                }
                race.run(work, runners, turn=turn)
    return _LIMITS


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """The address of a server that answers like S3, with a bucket called `bucket`."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    before, empty = dict(os.environ), folder / "aws_config"
    empty.touch()  # rather than what somebody has set up on this machine
    os.environ.update({**_KEYS, "AWS_CONFIG_FILE": str(empty), "AWS_SHARED_CREDENTIALS_FILE": str(empty)})
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        request = urllib.request.Request(f"http://{host}:{port}/bucket", method="PUT")
        request.add_header(
            "Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"
        )
        urllib.request.urlopen(request, timeout=20).close()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
        os.environ.clear()
        os.environ.update(before)
