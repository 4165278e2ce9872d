"""Datasets in Holdfast against real DVC: the same work on the same files, in turn, as whole commands.

Each ratio is what DVC takes over what Holdfast takes: 5 means five times as fast. All files are in the page
cache. `python -m benchmarks.data --files 100000` measures the large set, `--million` a million files.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import data_memory, data_remote, dvc
from benchmarks.commands import HOLDFAST, Used, has, run, run_inside
from benchmarks.files import copy_files, disk_bytes, scratch, write_texts
from benchmarks.race import OURS, Race
from holdfast.cli.show import table

_KB = 1024
_SETTLE_S = 2.5
"""A file written less than two seconds before it was read is read again, in case it still changes."""
_FORGET_S = 40
"""ext4 takes no inode that was freed in the last 35 seconds, and searches for others: until then each new
file costs up to ten times as much, ours and others' alike."""
_ADD = "first ingest: dvc add / data add"
_INSIDE = "first ingest, in process"
_STATUS = "nothing changed: dvc status / data add"
_CHANGED = "1 % changed: dvc add / data add"
_DIFF = "dvc diff / data diff"
_BACK = "back to a version: git and dvc checkout / data show"
_OPEN = "back to a version, in process: Repo.checkout / open_version"
_FILES = "all files: tar xf / data checkout"
_LIMITS = {
    _ADD: 5.0,
    _INSIDE: 5.0,
    _STATUS: 2.5,
    _CHANGED: 4.0,
    _DIFF: 5.0,
    _BACK: 10.0,
    _OPEN: 100.0,
    _FILES: 1.0,
}
"""At least."""
_IMPORTS = "from pathlib import Path\nfrom holdfast.core.workspace import Workspace"

Rows = list[tuple[str, float, float | None]]


def main(files: int = 20_000, repeats: int = 3) -> Rows:
    """Measure everything on `files` files of 8 KB."""
    if not hasattr(os, "wait4"):  # Windows counts no times of a child that has ended
        return []
    dvc.install()
    race = Race()
    with scratch() as folder:
        source = write_texts(folder / "source", files, 8 * _KB)
        for turn in range(repeats):
            _Repeat(source, folder / f"repeat{turn}", race, turn).run()
            shutil.rmtree(folder / f"repeat{turn}")
            time.sleep(_FORGET_S)
        sizes = _sizes(source, folder / "sizes", files)
        remotes = data_remote.main(source, folder / "remotes", race)
    print(table(list(race.medians()), ["work", "by", "wall_s", "cpu_s", "memory_mb"]), file=sys.stderr)
    rows: Rows = []
    for work, limit in {**_LIMITS, **remotes}.items():
        for other in [name for name in race.used[work] if name != OURS]:
            rows += [
                (f"{work}, {other}, clock", race.ratio(work, other), limit),
                (f"{work}, {other}, CPU", race.ratio(work, other, "cpu_s"), None),
            ]
    return [*((f"{files:,} × 8 KB, {title}", *rest) for title, *rest in rows), *sizes]


class _Repeat:
    """All the work once, on fresh copies of the source, with fresh stores."""

    def __init__(self, source: Path, folder: Path, race: Race, turn: int) -> None:
        self.race, self.turn, self.folder = race, turn, folder
        self.repositories = {
            "DVC": dvc.Repository(folder / "dvc", dvc.DEFAULT),
            "DVC at its best": dvc.Repository(folder / "best", dvc.BEST),
        }
        self.inside = dvc.Repository(folder / "inside", dvc.DEFAULT)
        self.data, self.home = folder / "data", folder / "home"
        for place in (self.data, self.inside.data, *(its.data for its in self.repositories.values())):
            copy_files(source, place)

    def run(self) -> None:
        """From the first ingest to the files of an old version."""
        self._race(_ADD, lambda its: its.dvc("add", "-q", "data"), self._add())
        inside = partial(self.inside.inside, "repo.add('data')")
        self.race.run(_INSIDE, {"DVC": inside, OURS: self._add_inside}, turn=self.turn)
        self._commit("one")
        self._race(_STATUS, lambda its: its.dvc("status", "-q"), self._add())
        for place in (self.data, *(its.data for its in self.repositories.values())):
            _change(place)
        time.sleep(_SETTLE_S)
        self._race(_CHANGED, lambda its: its.dvc("add", "-q", "data"), self._add())
        self._commit("two")
        if has("diff"):
            self._race(_DIFF, lambda its: its.dvc("diff", "one", "two"), self._ours("diff", "f@1", "f@2"))
        self._race(_BACK, _back, self._ours("show", "f@1"))
        for repository in self.repositories.values():
            repository.git("checkout", "-q", "two")
            repository.dvc("checkout", "-q")
            repository.git("checkout", "-q", "one")
        self._race(_OPEN, lambda its: its.inside("repo.checkout()"), self._open_inside)
        if has("checkout"):
            self._files()

    def _race(self, work: str, theirs: Callable[[dvc.Repository], Used], ours: Callable[[], Used]) -> None:
        runners = {name: partial(theirs, its) for name, its in self.repositories.items()}
        self.race.run(work, {**runners, OURS: ours}, turn=self.turn)

    def _ours(self, *arguments: str | Path) -> Callable[[], Used]:
        return partial(run, [*HOLDFAST, "data", *arguments, "--home", self.home])

    def _add(self) -> Callable[[], Used]:
        return self._ours("add", self.data, "--name", "f")

    def _add_inside(self) -> Used:
        home = self.folder / "inside_home"
        work = f"data_add({str(self.data)!r}, Workspace(Path({str(home)!r})), name='f')"
        return run_inside(
            sys.executable, f"{_IMPORTS}\nfrom holdfast.workflows.datasets import data_add", work
        )

    def _open_inside(self) -> Used:
        """Ready to train: which samples are in training, their targets, and the bytes of one.

        The second time in a process, as somebody does who compares versions; the first time loads libraries.
        """
        lines = (
            "def ready(number):",
            f"    root = Workspace(Path({str(self.home)!r})).datasets",
            "    with open_version(root, Ref('f', number)) as version:",
            "        version.targets",
            "        version.read(int(version.indices('train')[0]))",
            "ready(2)",
        )
        imports = f"{_IMPORTS}\nfrom holdfast.core.refs import Ref\nfrom holdfast.data import open_version"
        return run_inside(sys.executable, "\n".join((imports, *lines)), "ready(1)")

    def _commit(self, tag: str) -> None:
        for repository in self.repositories.values():
            repository.commit(tag)

    def _files(self) -> None:
        packed, out = self.folder / "all.tar", self.folder / "out"
        run(["tar", "cf", packed, "-C", self.data, "."])
        (out / "tar").mkdir(parents=True)
        runners = {
            "tar": partial(run, ["tar", "xf", packed, "-C", out / "tar"]),
            OURS: self._ours("checkout", "f@2", out / "holdfast"),
        }
        self.race.run(_FILES, runners, turn=self.turn)


def _back(repository: dvc.Repository) -> Used:
    """From the command line: git says which version, DVC brings the files."""
    git, own = repository.git("checkout", "-q", "one"), repository.dvc("checkout", "-q")
    return replace(own, wall_s=git.wall_s + own.wall_s, cpu_s=git.cpu_s + own.cpu_s)


def _sizes(source: Path, folder: Path, files: int) -> Rows:
    """What one version takes on disk, over the bytes of its files."""
    rows: Rows = []
    for kb, place in ((8, source), (32, write_texts(folder / "large", files // 4, 32 * _KB))):
        home = folder / f"home{kb}"
        run([*HOLDFAST, "data", "add", place, "--name", "f", "--home", home])
        payload = sum(path.stat().st_size for path in place.rglob("*.txt"))
        repository = dvc.Repository(folder / f"dvc{kb}", dvc.DEFAULT)
        copy_files(place, repository.data)
        repository.dvc("add", "-q", "data")
        theirs = disk_bytes(repository.data) + disk_bytes(repository.folder / ".dvc" / "cache")
        rows += [
            (f"one version on disk / its bytes, files of {kb} KB", disk_bytes(home) / payload, 1.03),
            (f"the same with DVC, cache and files, {kb} KB", theirs / payload, None),
        ]
    return rows


def _change(folder: Path) -> None:
    """Another file in place of every hundredth; DVC may have linked the old one to its cache."""
    for path in sorted(folder.rglob("*.txt"))[::100]:
        aside = path.with_suffix(".new")
        aside.write_bytes(b"new " + path.read_bytes()[4:])
        aside.replace(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--million", action="store_true", help="memory and time at a million files")
    asked = parser.parse_args()
    for title, ratio, limit in data_memory.main() if asked.million else main(asked.files, asked.repeats):
        print(f"{title}  {ratio:.3f}  {limit if limit is not None else ''}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
