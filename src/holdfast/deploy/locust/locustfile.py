"""Sends real samples to a server of Holdfast, one in each request.

    locust -f locustfile.py --host http://127.0.0.1:8000

The samples lie in `samples` beside this file; the key, where the server wants one, is in HOLDFAST_API_KEY.
"""

import itertools
import json
import os
import random
from pathlib import Path

from locust import FastHttpUser, constant, task

_SAMPLES = Path(__file__).with_name("samples")
_HOW = json.loads((_SAMPLES / "samples.json").read_text(encoding="utf-8"))
_BODIES = [(_SAMPLES / name).read_bytes() for name in _HOW["files"]]
_KEY = os.environ.get("HOLDFAST_API_KEY")
_HEADERS = {"Content-Type": _HOW["type"], **({"Authorization": f"Bearer {_KEY}"} if _KEY else {})}


class Client(FastHttpUser):
    """Asks again as soon as it has an answer, and goes through the samples in an order of its own."""

    wait_time = constant(0)
    connection_timeout = network_timeout = 30.0
    concurrency, insecure = 1000, False

    def on_start(self) -> None:
        """Choose the order."""
        self.bodies = itertools.cycle(random.sample(_BODIES, len(_BODIES)))

    @task
    def ask(self) -> int:
        """Send the next sample; the status of the answer, or 0 if there was none."""
        with self.client.post(
            _HOW["path"],
            data=next(self.bodies),
            headers=_HEADERS,
            catch_response=True,
            allow_redirects=False,
        ) as answer:
            status = int(answer.status_code)
            if status != 200:
                answer.failure(f"{status}: {answer.text:.200}" if status else str(answer.error))
            return status
