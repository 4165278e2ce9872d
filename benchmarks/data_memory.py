"""Memory and time of `data add` at a million files of 1 KB, and the time for each file against 100,000."""

from benchmarks.commands import HOLDFAST, Used, run
from benchmarks.files import scratch, write_texts

_SMALL, _LARGE = 100_000, 1_000_000
_BYTES = 1000


def main() -> list[tuple[str, float, float | None]]:
    """Ingest both sizes and look for changes in the large one; takes some minutes and 8 GB of disk."""
    with scratch() as folder:
        used: dict[str, Used] = {}
        for files in (_SMALL, _LARGE):
            source = write_texts(folder / f"source{files}", files, _BYTES)
            command = [*HOLDFAST, "data", "add", source, "--name", "f", "--home", folder / f"home{files}"]
            used[f"{files:,}"] = run(command)
        used["again"] = run(command)
    small, large = used[f"{_SMALL:,}"], used[f"{_LARGE:,}"]
    times = _LARGE / _SMALL
    return [
        *(
            (f"{_LARGE:,} files: MB, {title}", it.memory_mb, 1000.0)
            for title, it in (("first ingest", large), ("nothing changed", used["again"]))
        ),
        (f"time for each file, {_LARGE:,} / {_SMALL:,}, clock", large.wall_s / small.wall_s / times, None),
        (f"time for each file, {_LARGE:,} / {_SMALL:,}, CPU", large.cpu_s / small.cpu_s / times, None),
        (f"{_LARGE:,} files: seconds, first ingest", large.wall_s, None),
        (f"{_LARGE:,} files: seconds, nothing changed", used["again"].wall_s, None),
    ]
