"""What the journal of predictions costs a server of a small net, where everything else weighs the most.

    python -m benchmarks.journal --turns 25

Servers with and without a journal take turns, and stand still in between. Their own CPU time for an answer is
compared as well as answers in a second: other programs on the machine disturb it less.
"""

import argparse
import tempfile
from contextlib import ExitStack
from typing import Any

from benchmarks.serving import Row, _print, _runner, _standing
from benchmarks.serving_models import samples_of
from benchmarks.serving_servers import ON, ours
from benchmarks.serving_sides import obeying, take_turns

_INPUTS = {"records": 0.0, "records and a tenth of the inputs": 0.1, "records and all inputs": 1.0}


def main(*, turns: int = 15, seconds: float = 1.5) -> list[Row]:
    """Answers in a second and CPU for an answer, with / without."""
    with ExitStack() as stack:
        ask = stack.enter_context(obeying("benchmarks.serving_client", str(samples_of("small"))))
        servers = {"none": _standing(stack.enter_context(ours("small", {**ON, "journal": {}})))}
        for side, inputs in _INPUTS.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            journal: dict[str, Any] = {"journal": {"where": folder, "inputs": inputs}}
            servers[side] = _standing(stack.enter_context(ours("small", {**ON, **journal})))
        runners = {side: _runner(server, ask, seconds) for side, server in servers.items()}
        sides = take_turns(runners, turns)
    sides.tell("small, journal")
    rows: list[Row] = []
    for side in _INPUTS:
        limit = 0.95 if side == "records" else None
        rows.append((f"small, 8 clients: journal of {side} / none", sides.ratio(side, "none"), limit))
        rows.append(
            (f"CPU for an answer: journal of {side} / none", sides.ratio(side, "none", "cpu_ms"), None)
        )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.5)
    _print(main(**vars(parser.parse_args())))
