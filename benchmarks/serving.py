"""Our server against raw onnxruntime and against other servers: the same files, graphs and cores.

    python -m benchmarks.serving                                     # all
    python -m benchmarks.serving against_raw:birds against_peers --turns 5 --seconds 4

"Raw" is one thread for each core that decodes a file and runs the graph, with nothing in between. Servers
run in processes of their own and are asked over loopback by a client in another, which shares the cores
with them. Sides take turns and stand still in between; a ratio is the median over the turns.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.serving_models import samples_of
from benchmarks.serving_servers import OFF, ON, Server, has_peers, ours, peer, torch_server
from benchmarks.serving_sides import Turn, obeying, raw, served, take_turns
from holdfast.core.cores import cores

Row = tuple[str, float, float | None]

_MANY = 8


def main(*, turns: int = 3, seconds: float = 3.0) -> list[Row]:
    """Every row of serving."""
    from benchmarks import serving_footprint, serving_overload

    return [
        *speed(turns, seconds),
        *serving_overload.main(seconds),
        *serving_footprint.main(),
    ]


def speed(turns: int = 3, seconds: float = 3.0) -> list[Row]:
    """Throughput with 8 clients and the time of an answer with one, against raw graphs and peers."""
    rows: list[Row] = []
    for model, limit in (("resnet50", 0.92), ("resnet50-int8", 0.85), ("distilbert", 0.9), ("birds", 0.9)):
        rows += against_raw(model, limit, turns, seconds)
    rows += int8_against_torch(turns, seconds)
    rows += against_peers(turns, seconds)
    rows += everything_on(turns, seconds)
    return rows


def against_raw(model: str, limit: float, turns: int, seconds: float) -> list[Row]:
    """Served / raw with 8 clients, and the time of an answer with one client."""
    with ExitStack() as stack:
        run = stack.enter_context(raw(model))
        ask = stack.enter_context(obeying("benchmarks.serving_client", str(samples_of(model))))
        server = _standing(stack.enter_context(ours(model)))
        sides = take_turns(
            {
                "raw": lambda: run(cores(), 1, seconds),
                "served": lambda: served(server, ask, _MANY, seconds),
                "raw alone": lambda: run(1, cores(), seconds),
                "served alone": lambda: served(server, ask, 1, seconds),
            },
            turns,
        )
    sides.tell(model)
    slower = sides.ratio("served alone", "raw alone", "p50_ms")
    return [
        (f"{model}, {_MANY} clients: served / raw onnxruntime", sides.ratio("served", "raw"), limit),
        (f"{model}, {_MANY} clients: CPU of the server / raw", sides.ratio("served", "raw", "cpu_ms"), None),
        (f"{model}, 1 client: time / raw onnxruntime on all cores (at most)", slower, 1.15),
    ]


def int8_against_torch(turns: int, seconds: float) -> list[Row]:
    """ResNet-50: int8 of ours against eager torch in an async handler."""
    with ExitStack() as stack:
        ask = stack.enter_context(obeying("benchmarks.serving_client", str(samples_of("resnet50"))))
        one = _standing(stack.enter_context(ours("resnet50-int8")))
        other = _standing(stack.enter_context(torch_server("resnet50")))
        sides = take_turns(
            {
                "int8": lambda: served(one, ask, _MANY, seconds),
                "torch": lambda: served(other, ask, _MANY, seconds),
            },
            turns,
        )
    sides.tell("resnet50-int8 against torch")
    return [("resnet50-int8 / FastAPI + torch (fp32), 8 clients", sides.ratio("int8", "torch"), 5.0)]


def against_peers(turns: int, seconds: float, model: str = "small") -> list[Row]:
    """A small net, with which the server is what counts, against LitServe and BentoML."""
    rows: list[Row] = []
    if not has_peers():
        return rows
    for preparation, limit in (("pillow", 1.4), ("ours", 1.1)):
        with ExitStack() as stack:
            ask = stack.enter_context(obeying("benchmarks.serving_client", str(samples_of(model))))
            servers = {"holdfast": stack.enter_context(ours(model))}
            for name, batch in (("litserve", 1), ("litserve", 8), ("bentoml", 1)):
                label = f"{name}, batches of {batch}" if batch > 1 else name
                servers[label] = stack.enter_context(peer(name, model, preparation=preparation, batch=batch))
            for server in servers.values():
                server.pause()
            sides = take_turns({name: _runner(it, ask, seconds) for name, it in servers.items()}, turns)
        sides.tell(f"{model}, peers with {preparation} preprocessing")
        best = max((name for name in servers if name != "holdfast"), key=sides.median)
        title = f"{model}, 8 clients: holdfast / {best}, the best peer, with {preparation} preprocessing"
        rows.append((title, sides.ratio("holdfast", best), limit))
        rows.append((f"{title}, CPU for an answer", sides.ratio("holdfast", best, "cpu_ms"), None))
    return rows


def everything_on(turns: int, seconds: float) -> list[Row]:
    """What metrics, logs, limits and the rest cost."""
    with ExitStack() as stack:
        ask = stack.enter_context(obeying("benchmarks.serving_client", str(samples_of("small"))))
        on = _standing(stack.enter_context(ours("small", ON)))
        off = _standing(stack.enter_context(ours("small", OFF)))
        sides = take_turns({"on": _runner(on, ask, seconds), "off": _runner(off, ask, seconds)}, turns)
    sides.tell("small, everything on and off")
    title = "small, 8 clients: keys, journal, metrics, log and limits on / off"
    return [
        (title, sides.ratio("on", "off"), 0.95),
        (f"{title}, CPU for an answer (at most)", sides.ratio("on", "off", "cpu_ms"), 1.05),
    ]


def _standing(server: Server) -> Server:
    server.pause()
    return server


def _runner(server: Server, ask: object, seconds: float) -> Callable[[], Turn]:
    return lambda: served(server, ask, _MANY, seconds)  # type: ignore[arg-type]


def _print(rows: list[Row]) -> None:
    for title, value, limit in rows:
        print(f"{value:8.3f}  {'' if limit is None else limit:6}  {title}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", help="names of functions, such as against_peers; default: all")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    here = sys.modules["__main__"]
    for part in given.parts or ["main"]:
        name, _, model = part.partition(":")
        more = (model, {"resnet50": 0.92, "resnet50-int8": 0.85}.get(model, 0.9)) if model else ()
        _print(getattr(here, name)(*more, turns=given.turns, seconds=given.seconds))
