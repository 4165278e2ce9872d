"""kill -9 at random moments of `data add`, `train`, `train` in two processes with workers and bf16, and
`models promote`, then the same command again.

`make faults` does 20 of each and prints how many ended as an undisturbed one does: the same fingerprint,
the same final weights bit for bit, the same alias with a whole audit log.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.core.files import digest_file
from holdfast.testing.toys import write_digits

_TRAIN = ("prepare.size=16", "model.width=16", "augment.flip=0", "train.epochs=3", "train.batch=64")
_TOGETHER = ("launch.processes=2", "device.precision=bf16", "train.workers=2", "train.sampler=weighted")
_QUICK = ("train.checkpoint_s=0.2", "evaluate.bootstrap=50", "device.threads=1")


@dataclass(frozen=True)
class Job:
    """A command, the workspace that it starts from, and what must come out of it."""

    name: str
    args: tuple[str, ...]
    before: Path
    outcome: Callable[[Path], Any]

    def taken_up(self, home: Path) -> bool:
        """Whether the second command went on where the killed one stood, rather than begin anew."""
        return self.name.startswith("train") and any(run["resumes"] for run in _ask(("runs", "list"), home))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", default="", help="jobs whose names begin so")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print(f"seed {options.seed}")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for job in [job for job in _jobs(Path(folder)) if job.name.startswith(options.only)]:
            same, taken_up = _kill_and_repeat(job, Path(folder), options.kills, rng)
            more = f"; {taken_up} of them had a run to take up" if job.name.startswith("train") else ""
            print(f"{job.name}: {same} of {options.kills} ended like an undisturbed run{more}", flush=True)
            bad += options.kills - same
    return 1 if bad else 0


def _jobs(folder: Path) -> list[Job]:
    """The jobs; each starts from a workspace that was made by undisturbed commands."""
    source = write_digits(folder / "digits")
    empty, added, trained = folder / "empty", folder / "added", folder / "trained"
    empty.mkdir()
    add = ("data", "add", str(source))
    train = ("train", "digits", *_TRAIN, *_QUICK)
    _run(add, added)
    shutil.copytree(added, trained)
    _run(train, trained)
    _run(train, trained)
    _run(("models", "promote", "digits@1", "--force"), trained)
    return [
        Job("data add", add, empty, lambda home: _ask(("data", "show", "digits"), home)["fingerprint"]),
        Job("train", train, added, _weights),
        Job("train in two processes, bf16", (*train, *_TOGETHER), added, _weights),
        Job("models promote", ("models", "promote", "digits@2", "--force"), trained, _champion),
    ]


def _kill_and_repeat(job: Job, folder: Path, kills: int, rng: random.Random) -> tuple[int, int]:
    expected, seconds = _undisturbed(job, folder)
    same = taken_up = 0
    for number in range(kills):
        home = folder / "disturbed"
        shutil.copytree(job.before, home)
        moment = rng.uniform(0.1, 1.0) * seconds
        process = subprocess.Popen(_command(job.args, home), stdout=subprocess.DEVNULL)
        time.sleep(moment)
        process.kill()
        process.wait()
        _run(job.args, home)
        outcome = job.outcome(home)
        same += outcome == expected
        taken_up += job.taken_up(home)
        if outcome != expected:
            print(f"  {job.name}, kill {number} after {moment:.2f} s: {outcome} instead of {expected}")
        shutil.rmtree(home)
    return same, taken_up


def _undisturbed(job: Job, folder: Path) -> tuple[Any, float]:
    home = folder / "undisturbed"
    shutil.copytree(job.before, home)
    began = time.monotonic()
    _run(job.args, home)
    seconds = time.monotonic() - began
    expected = job.outcome(home)
    shutil.rmtree(home)
    return expected, seconds


def _weights(home: Path) -> dict[str, Any]:
    """The digests of the final weights and graph; a run that was killed after its end makes a second one."""
    checkpoints = sorted(home.glob("runs/*/checkpoints/*.safetensors"))
    graphs = sorted(home.glob("models/digits/versions/*/bundle/model.onnx"))
    return {
        "weights": sorted({digest_file(path) for path in checkpoints}),
        "graphs": sorted({digest_file(path) for path in graphs}),
        "statuses": sorted({run["status"] for run in _ask(("runs", "list"), home)}),
    }


def _champion(home: Path) -> dict[str, Any]:
    verified = _ask(("models", "verify", "digits@champion"), home)
    shown = _ask(("models", "show", "digits@champion"), home)
    return {"ok": verified["ok"], "version": shown["version"], "aliases": shown["aliases"]}


def _command(args: tuple[str, ...], home: Path) -> list[str]:
    return [sys.executable, "-m", "holdfast", *args, "--home", str(home)]


def _run(args: tuple[str, ...], home: Path) -> None:
    subprocess.run(_command(args, home), check=True, stdout=subprocess.DEVNULL)


def _ask(args: tuple[str, ...], home: Path) -> Any:
    done = subprocess.run([*_command(args, home), "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
