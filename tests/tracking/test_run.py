import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from filelock import FileLock

from holdfast.core.errors import HoldfastError, RefError
from holdfast.core.locks import try_lock
from holdfast.tracking import Run, environment, list_runs, open_run, read_run

DETAILS: dict[str, Any] = {
    "config": {"optim": {"lr": 1e-5, "name": "adamw"}, "epochs": 3, "labels": ["é", "no"]},
    "dataset": "birds@3",
    "fingerprint": "f" * 64,
}

_HOLD = """
import sys, time
from pathlib import Path
from holdfast.tracking import open_run

run = open_run(Path(sys.argv[1]), name="birds", key=sys.argv[2], details={})
print(run.id, run.resumed, flush=True)
step = len(run.metrics())
while True:
    step += 1
    run.log(step, loss=1 / step)
    if step % 10 == 0:
        run.update(step=step)
"""

_OPEN_MANY = """
import sys
from pathlib import Path
from holdfast.tracking import open_run

print("ready", flush=True)
sys.stdin.readline()
for key in range(12):
    with open_run(Path(sys.argv[1]), name="birds", key=str(key), details={}) as run:
        run.log(1, loss=0.5)
        run.finish()
"""


def begin(runs: Path, key: str = "key", name: str = "birds") -> Run:
    return open_run(runs, name=name, key=key, details=DETAILS)


def in_another_process(runs: Path, key: str = "key") -> tuple[subprocess.Popen[str], str, bool]:
    """A process that holds a run and logs without end; the run's id, and whether it was taken up."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(runs), key], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    run, resumed = process.stdout.readline().split()
    return process, run, resumed == "True"


def test_a_run_is_a_folder_of_plain_files(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.log(10, epoch=1, loss=0.5)
        run.finish(model="birds@1", headline="accuracy", metrics={"accuracy": {"value": 0.9}})

    assert run.folder == tmp_path / run.id
    info = json.loads((run.folder / "run.json").read_text())
    assert (info["id"], info["dataset"], info["fingerprint"]) == (run.id, "birds@3", "f" * 64)
    assert (info["status"], info["model"], info["headline"]) == ("finished", "birds@1", "accuracy")
    assert info["metrics"] == {"accuracy": {"value": 0.9}}
    assert info["seconds"] > 0
    assert yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8")) == DETAILS["config"]
    assert json.loads((run.folder / "environment.json").read_text())["digest"] == info["environment_digest"]
    assert (run.folder / "metrics.jsonl").read_text() == '{"step": 10, "epoch": 1, "loss": 0.5}\n'


def test_the_config_keeps_the_order_of_its_settings(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        written = (run.folder / "config.yaml").read_text(encoding="utf-8")

    assert written.index("optim:") < written.index("lr:") < written.index("epochs:") < written.index("é")


def test_metrics_can_be_read_while_they_grow(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.log(1, loss=0.5)

        assert read_run(tmp_path, run.id).metrics() == [{"step": 1, "loss": 0.5}]


def test_what_is_no_finite_number_is_logged_as_null(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.log(1, a=float("nan"), b=np.float32(0.5), c=float("inf"), d=None, e=np.int64(3), f="x")

        assert run.metrics() == [{"step": 1, "a": None, "b": 0.5, "c": None, "d": None, "e": 3, "f": "x"}]


def test_rewinding_forgets_what_came_after_a_step(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        for step in (1, 2, 3):
            run.log(step, loss=step)
        run.rewind(2)
        run.log(3, loss=33)

        assert [row["loss"] for row in run.metrics()] == [1, 2, 33]


def test_half_a_line_at_the_end_is_dropped_and_never_glued_to_the_next(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.log(1, loss=0.5)
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')

    assert len(run.metrics()) == 1
    with begin(tmp_path) as again:
        again.log(2, loss=0.25)
    assert again.metrics() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_a_damaged_line_of_metrics_is_named(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.log(1, loss=0.5)
    (run.folder / "metrics.jsonl").write_text('{"step": 1}\nrubbish\n')

    with pytest.raises(HoldfastError, match=r"metrics\.jsonl is damaged in line 2"):
        run.metrics()


def test_facts_without_a_field_are_kept_aside(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.update(device="cpu", threads=2)
        run.update(threads=4)

        assert read_run(tmp_path, run.id).info.facts == {"device": "cpu", "threads": 4}


def test_what_a_run_is_known_by_cannot_change(tmp_path: Path) -> None:
    with begin(tmp_path) as run, pytest.raises(ValueError, match="id, key cannot change"):
        run.update(key="other", id="other", device="cpu")


def test_a_closed_run_takes_nothing_more(tmp_path: Path) -> None:
    run = begin(tmp_path)
    run.close()

    for write in (lambda: run.log(1, loss=1), lambda: run.rewind(0), run.finish):
        with pytest.raises(ValueError, match=f"run {run.id} is closed"):
            write()


def test_an_interrupted_run_is_taken_up_by_its_key(tmp_path: Path) -> None:
    with begin(tmp_path) as first:
        first.log(1, loss=0.5)
        first.update(device="cpu")
        (first.folder / "checkpoints" / ".aside-left").write_bytes(b"half")

    with begin(tmp_path) as second:
        assert second.resumed
        assert second.id == first.id
        assert second.metrics() == [{"step": 1, "loss": 0.5}]
        assert second.info.facts == {"device": "cpu"}
        assert second.info.resumes == 1
        assert not (second.folder / "checkpoints" / ".aside-left").exists()


def test_a_run_of_another_key_or_name_is_left_alone(tmp_path: Path) -> None:
    begin(tmp_path).close()

    with begin(tmp_path, key="other") as other, begin(tmp_path, name="cats") as cats:
        assert not other.resumed
        assert not cats.resumed


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_a_run_that_ended_is_not_taken_up(tmp_path: Path, end: str) -> None:
    with begin(tmp_path) as first:
        first.finish() if end == "finish" else first.fail("the loss is not a number")

    with begin(tmp_path) as second:
        assert not second.resumed
        assert second.id != first.id


def test_a_run_is_not_taken_up_on_other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path).close()
    other = {**environment(), "digest": "0" * 64}
    monkeypatch.setattr("holdfast.tracking.run.environment", lambda: other)

    with begin(tmp_path) as second:
        assert not second.resumed


def test_a_second_process_with_the_same_key_makes_its_own_run(tmp_path: Path) -> None:
    process, theirs, _ = in_another_process(tmp_path)
    try:
        with begin(tmp_path) as ours:
            assert not ours.resumed
            assert ours.id != theirs
            assert {info.status for info in list_runs(tmp_path)} == {"running"}
    finally:
        process.kill()
        process.wait()


def test_processes_that_begin_runs_at_once_lose_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OPEN_MANY, str(tmp_path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [info.status for info in list_runs(tmp_path)] == ["finished"] * 36


def test_a_killed_run_is_interrupted_then_taken_up_again_and_again(tmp_path: Path) -> None:
    seen = set()
    for kill in range(3):
        process, run, resumed = in_another_process(tmp_path)
        lines = len(read_run(tmp_path, run).metrics())
        while len(read_run(tmp_path, run).metrics()) < lines + 25:
            pass
        process.kill()
        process.wait()

        assert resumed == (kill > 0)
        seen.add(run)
        (info,) = list_runs(tmp_path)
        assert (info.status, info.resumes) == ("interrupted", kill)
        steps = [row["step"] for row in read_run(tmp_path, run).metrics()]
        assert steps == list(range(1, len(steps) + 1))
    assert len(seen) == 1


def test_looking_at_runs_never_keeps_one_from_being_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look is to hold a run's lock for a moment, in which nobody may look for a run to take up."""
    begin(tmp_path).close()
    looked = []

    class Watched(FileLock):
        def release(self, force: bool = False) -> None:
            if self.is_locked:
                looked.append(try_lock(tmp_path / ".lock"))
            super().release(force)

    def watched(path: Path) -> FileLock:
        lock = Watched(path)
        lock.acquire(timeout=0)
        return lock

    monkeypatch.setattr("holdfast.tracking.record.try_lock", watched)
    list_runs(tmp_path)

    assert looked == [None]


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.fail("DataError: no samples")

    info = read_run(tmp_path, run.id).info
    assert (info.status, info.reason) == ("failed", "DataError: no samples")


def test_seconds_leave_out_the_time_between_an_interruption_and_its_end(tmp_path: Path) -> None:
    begin(tmp_path).close()
    (path,) = tmp_path.glob("*/run.json")
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "seconds": 100.0, "started": "2020-01-01T00:00:00+00:00"}))
    hour = 1577836800 + 3600  # an hour after that
    for file in (path, path.parent / "checkpoints"):
        os.utime(file, (hour, hour))

    assert [info.seconds for info in list_runs(tmp_path)] == [3700.0]
    with begin(tmp_path) as run:
        run.finish()
    assert 3700 < run.info.seconds < 3760


def test_runs_are_listed_newest_first_and_damaged_ones_as_such(tmp_path: Path) -> None:
    ids = []
    for key in "abc":
        with begin(tmp_path, key) as run:
            run.finish()
        ids.append(run.id)
    (tmp_path / ids[0] / "run.json").write_text("{")
    (tmp_path / "notes").mkdir()

    listed = list_runs(tmp_path)

    assert [info.id for info in listed] == [ids[2], ids[1], ids[0]]
    assert [info.status for info in listed] == ["finished", "finished", "damaged"]
    assert "run.json cannot be read" in str(listed[2].reason)
    with begin(tmp_path, "d") as run:
        assert run.id not in ids


def test_an_unknown_run_is_told_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(RefError, match="there are no runs yet"):
        read_run(tmp_path, "birds-1")
    with begin(tmp_path) as run:
        pass

    with pytest.raises(RefError, match=f"did you mean '{run.id}'"):
        read_run(tmp_path, run.id[:-1])
    with begin(tmp_path, "later", name="a_first_by_name") as newest:
        pass
    with pytest.raises(RefError, match=f"the newest is '{newest.id}';"):
        read_run(tmp_path, "../secret")
    with pytest.raises(RefError, match="`holdfast models show birds@3` says which run made one"):
        read_run(tmp_path, "birds@3")


def test_facts_of_another_release_are_read(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        run.finish()
    path = run.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "new": 1}))

    assert read_run(tmp_path, run.id).info == run.info
