"""What our server takes when it starts, when it works and when nobody asks.

python -m benchmarks.serving_footprint            # start, memory, idle CPU
python -m benchmarks.serving_footprint install    # how large `pip install holdfast[serve]` is
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving_models import samples_of
from benchmarks.serving_servers import Server, has_peers, ours, peer, torch_server
from benchmarks.serving_sides import asked, obeying

Row = tuple[str, float, float | None]

_LIMITS = {"small": 130.0, "resnet50-int8": 180.0}
_START_S, _IDLE_PERCENT, _INSTALL_MB = 0.6, 0.5, 250.0
_TRIES = 3
_IDLE_S = 10.0


def main() -> list[Row]:
    """Seconds, MB and percents, as the titles say; each should be at most its limit."""
    rows: list[Row] = []
    for model, limit in _LIMITS.items():
        start_s = min(_start(model) for _ in range(_TRIES))
        rows.append((f"{model}: s from start to first answer (at most)", start_s, _START_S))
        with ours(model) as server:
            rows.append((f"{model}: MB after work (at most)", _worked(server, model), limit))
            rows.append((f"{model}: % of a core while idle (at most)", _idle(server), _IDLE_PERCENT))
    return rows + _others("small")


def _others(model: str) -> list[Row]:
    """Those of the peers."""
    rows: list[Row] = []
    with ExitStack() as stack:
        servers = [stack.enter_context(torch_server(model))]
        if has_peers():
            servers += [stack.enter_context(peer(name, model)) for name in ("litserve", "bentoml")]
        for server in servers:
            server.pause()
        for server in servers:
            rows += [
                (f"{model}, {server.name}: s from start to first answer", server.start_s, None),
                (f"{model}, {server.name}: MB after work", _worked(server, model), None),
            ]
            server.go_on()
            rows.append((f"{model}, {server.name}: % of a core while idle", _idle(server), None))
            server.pause()
    return rows


def install() -> list[Row]:
    """MB on disk of the serving extra with everything that it needs, without what was compiled."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(__file__).parents[1]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", folder]
        pins = ["-c", str(source / "constraints.txt")]
        subprocess.run([*command, *pins, f"holdfast[serve] @ {source.as_uri()}"], check=True)
        size = sum(path.lstat().st_size for path in Path(folder).rglob("*") if path.is_file())
        largest = sorted(
            (
                (sum(each.lstat().st_size for each in top.rglob("*") if each.is_file()) / 2**20, top.name)
                for top in Path(folder).iterdir()
            ),
            reverse=True,
        )
    told = ", ".join(f"{name} {mb:.0f}" for mb, name in largest[:8])
    print(f"the largest, in MB: {told}", file=sys.stderr)
    return [("MB of pip install holdfast[serve] (at most)", size / 2**20, _INSTALL_MB)]


def _start(model: str) -> float:
    with ours(model, measured=False) as server:
        return server.start_s


def _worked(server: Server, model: str) -> float:
    """Memory after two seconds of eight clients."""
    with obeying("benchmarks.serving_client", str(samples_of(model))) as ask:
        asked(server, ask, clients=8, seconds=2.0)
    memory = server.memory_mb()
    server.go_on()
    return memory


def _idle(server: Server) -> float:
    """The share of a core, after a second to come to rest."""
    time.sleep(1.0)
    before = server.cpu_s()
    time.sleep(_IDLE_S)
    return 100 * (server.cpu_s() - before) / _IDLE_S


if __name__ == "__main__":
    for title, value, limit in install() if "install" in sys.argv else main():
        print(f"{title}: {value:.3f} (limit {limit})")
