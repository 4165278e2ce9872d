"""Ask a server more and more, and say how many answers it gives, how fast, and where it bends."""

import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from holdfast.core.errors import HoldfastError
from holdfast.core.files import write_json, write_text
from holdfast.core.progress import Progress, progress
from holdfast.core.workspace import Workspace
from holdfast.workflows import load_samples
from holdfast.workflows.load_curve import Step, is_calm, knee, step_of
from holdfast.workflows.load_page import load_page, steps_csv
from holdfast.workflows.load_samples import LoadSamples

KEY = "HOLDFAST_API_KEY"
_USERS = (1, 2, 4, 8, 16, 32, 64)
_MORE = 1.05
"""Throughput that four times the users must gain, or the server is taken to be saturated."""
_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9, 1.1)
_HALVINGS = 2
_WARM_S = 0.5

Ask = Callable[[Mapping[str, Any]], Step]
"""Puts one load, `users` or `rate` with `seconds`, on the server."""


def loadtest(
    url: str,
    workspace: Workspace,
    *,
    model: str | None = None,
    dataset: str | None = None,
    samples: Path | None = None,
    seconds: float = 30.0,
    rates: Sequence[float] = (),
    out: Path | None = None,
    allow_remote: bool = False,
) -> dict[str, Any]:
    """Load a server step by step, and find how much it takes.

    First more and more clients ask as fast as they are answered, until more of them gain nothing: that is
    what the server can do at most. Then requests arrive by chance, at a tenth of that rate and upwards, and
    at last between the two rates where the answers become slow.

    Args:
        url: of a server of Holdfast, such as `http://127.0.0.1:8000`.
        workspace: where the dataset is.
        model: which of several, such as `birds`; the first without it.
        dataset: whose held-out samples are sent, such as `birds@3`.
        samples: or a folder of files to send. Without either, one made example is sent, and it is said.
        seconds: for all steps together; more make the percentiles surer.
        rates: in requests a second, to try instead of those that are found.
        out: a folder for the numbers, the page and a locustfile with the samples.
        allow_remote: whether the server may be on another machine.

    Raises:
        HoldfastError: if the address is none, is another machine's, or no server of Holdfast answers
            there, or none with this model.
        ModuleNotFoundError: if Locust is not installed.
    """
    _refuse_strangers(url, allow_remote)
    if find_spec("locust") is None:
        raise ModuleNotFoundError("No module named 'locust'", name="locust")
    url = url.rstrip("/")
    route = "" if model is None else f"/models/{quote(model, safe='')}"
    info = _info(url, route)
    bodies = _samples(info, workspace, dataset, samples)
    with _folder(out) as folder:
        bodies.write(folder / "samples", f"{route}/predict")
        shutil.copyfile(str(files("holdfast.deploy") / "locust/locustfile.py"), folder / "locustfile.py")
        count = len(rates) or len(_USERS) + len(_SHARES) + _HALVINGS
        with progress("load", count, unit="steps") as bar, _driver(folder, url) as drive:
            ask = _heard(drive, bar)
            drive({"users": 1, "seconds": _WARM_S})
            steps = _given(ask, rates, seconds) if rates else _search(ask, seconds)
        result = _result(url, info, bodies, steps)
        if out:
            result |= {"out": str(out), "page": str(out / "loadtest.html")}
            write_json(out / "loadtest.json", result)
            write_text(out / "loadtest.csv", steps_csv(result["steps"]))
            write_text(out / "loadtest.html", load_page(result))
    return result


def _search(ask: Ask, seconds: float) -> list[Step]:
    """Clients until the server is saturated, and then rates around what it did."""
    steps: list[Step] = []
    for users in _USERS:
        steps.append(ask({"users": users, "seconds": seconds / 3 / len(_USERS)}))
        done = [step.throughput for step in steps]
        if len(done) > 2 and max(done[-2:]) < _MORE * max(done[:-2]):
            break
    best = max(done)
    if best == 0:
        raise HoldfastError(
            f"no request was answered well: {steps[-1].errors}", hint="ask the server's log what is wrong"
        )
    each_s = seconds * 2 / 3 / (len(_SHARES) + _HALVINGS)
    rated = [ask({"rate": round(share * best, 3), "seconds": each_s}) for share in _SHARES]
    for _ in range(_HALVINGS):
        rated = sorted(rated, key=_rate)
        calm = knee(rated)
        above = [step for step in rated if not is_calm(step, rated[0])]
        if calm is None or not above:
            break
        middle = (_rate(calm) + _rate(min(above, key=_rate))) / 2
        rated.append(ask({"rate": round(middle, 3), "seconds": each_s}))
    return [*steps, *sorted(rated, key=_rate)]


def _given(ask: Ask, rates: Sequence[float], seconds: float) -> list[Step]:
    return [ask({"rate": rate, "seconds": seconds / len(rates)}) for rate in sorted(rates)]


def _rate(step: Step) -> float:
    return step.rate or 0.0


def _heard(drive: Callable[[Mapping[str, Any]], Any], bar: Progress) -> Ask:
    def ask(load: Mapping[str, Any]) -> Step:
        step = step_of(load, drive(load))
        bar.advance(note=f"{step.throughput:,.0f}/s, p95 {step.p95_ms or 0:.1f} ms")
        return step

    return ask


def _result(url: str, info: Mapping[str, Any], bodies: LoadSamples, steps: Sequence[Step]) -> dict[str, Any]:
    rated = [step for step in steps if step.rate is not None]
    found = knee(rated)
    best = max(steps, key=lambda step: step.throughput)
    busy = max(step.client_cpu for step in steps)
    notes = []
    if len(bodies.bodies) == 1:
        notes.append(f"sent {bodies.source}: use --dataset or --samples for numbers that mean something")
    if busy > 0.8:
        notes.append(f"the client itself took {busy:.0%} of a core: the server may do more than is shown")
    if found is not None and found is rated[-1]:
        notes.append("no rate was too much: the knee lies above the highest that was tried")
    return {
        "url": url,
        "model": info.get("model"),
        "samples": bodies.source,
        "saturation": {"throughput": best.throughput, "users": best.users, "rate": best.rate},
        "knee": None if found is None else {"rate": found.rate, "p95_ms": found.p95_ms},
        "steps": [step.to_json() for step in steps],
        "notes": notes,
    }


def _samples(
    info: Mapping[str, Any], workspace: Workspace, dataset: str | None, folder: Path | None
) -> LoadSamples:
    modality = info["modality"]
    if dataset is not None and folder is not None:
        raise HoldfastError("--dataset and --samples are both given", hint="give one of them")
    if dataset is not None:
        return load_samples.of_dataset(dataset, workspace, modality)
    return load_samples.of_folder(folder, modality) if folder else load_samples.made(modality)


def _refuse_strangers(url: str, allow_remote: bool) -> None:
    """A load test of somebody else's server is an attack."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
        raise HoldfastError(f"{url!r} is no address of a server", hint="write http://127.0.0.1:8000")
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise HoldfastError(f"there is no host {host!r} ({error.strerror})", hint="check the name") from None
    if not allow_remote and not all(ipaddress.ip_address(each).is_loopback for each in found):
        raise HoldfastError(
            f"{host} is another machine, and a load test can bring it down",
            hint="add --yes if it is yours to load",
        )


def _info(url: str, route: str) -> dict[str, Any]:
    """What the server says of the model under a route."""
    key = os.environ.get(KEY)
    request = urllib.request.Request(  # noqa: S310 - http or https, as was looked at
        f"{url}{route}/info", headers={"Authorization": f"Bearer {key}"} if key else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            info = json.loads(answer.read())
        if info["modality"] in ("image", "audio", "text"):
            return dict(info)
        raise ValueError(info["modality"])
    except urllib.error.HTTPError as error:
        said, hint = _words(error)
        if error.code in (401, 403):
            hint = f"put the key into {KEY}"
        raise HoldfastError(f"{url}{route}/info answers {error.code}{said}", hint=hint) from None
    except OSError as error:
        why = getattr(error, "reason", error)
        raise HoldfastError(
            f"nobody answers at {url} ({why})", hint="start the server with `holdfast serve`"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise HoldfastError(
            f"{url} is no server of Holdfast: /info says no modality ({error!s:.80})",
            hint="check the address",
        ) from None


def _words(error: urllib.error.HTTPError) -> tuple[str, str]:
    """Why a server refuses, and what to do, in its own words if it is one of ours."""
    try:
        told = json.loads(error.read(10_000))
        return f": {told['error']!s:.200}", f"{told['hint']!s:.200}"
    except (OSError, ValueError, KeyError, TypeError):
        return "", "is it a server of Holdfast?"


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out:
        out.mkdir(parents=True, exist_ok=True)
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-load-") as folder:
        yield Path(folder)


@contextmanager
def _driver(folder: Path, url: str) -> Iterator[Callable[[Mapping[str, Any]], dict[str, Any]]]:
    """Locust in a process of its own: it bends the sockets of the process that loads it."""
    command = [sys.executable, str(files("holdfast.deploy") / "locust/drive.py"), str(folder), url]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as told,
        subprocess.Popen(  # noqa: S603 - this Python, and a file of this package
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, encoding="utf-8"
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None

        def drive(load: Mapping[str, Any]) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(dict(load)) + "\n")
                process.stdin.flush()
                return dict(json.loads(process.stdout.readline()))
            except (OSError, ValueError):
                process.wait(timeout=5)
                told.seek(0)
                last = told.read().strip().splitlines()[-1:] or ["it says nothing"]
                raise HoldfastError(
                    f"Locust ended: {last[0]}", hint="pip install -U 'holdfast[loadtest]'"
                ) from None

        try:
            yield drive
            process.stdin.close()
        except BaseException:
            process.kill()
            raise
