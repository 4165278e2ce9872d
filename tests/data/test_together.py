"""Writers, readers, a collector and kills on one store at once: every version stays whole."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.core.refs import parse_ref
from holdfast.data import fingerprint, ingest, open_version, versions_of
from holdfast.data.gc import collect
from holdfast.data.verify import verify
from holdfast.testing.toys import write_texts

# A writer adds tables of its own until it is stopped, and says each version's fingerprint; now and then it
# removes a version or collects. A reader reads whole versions, and says what it saw. Both check bytes.
CHILD = """
import random, sys
from pathlib import Path
from holdfast.core.errors import DataError, RefError
from holdfast.core.refs import parse_ref
from holdfast.data import fingerprint, ingest, open_version, versions_of
from holdfast.data.gc import collect
from holdfast.data.removal import remove_version
from holdfast.testing.toys import write_texts
role, root, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)

def step():
    numbers = versions_of(root, "toys")
    if role == "writer":
        path, count = root.parent / f"{seed}.csv", rng.randint(5, 40)
        table = write_texts(path, per_class=count, seed=rng.randint(0, 20))
        info = ingest(table, root, "toys", probe=lambda modality, data: {})
        print("wrote", info.version, info.fingerprint, flush=True)
        if rng.random() < 0.3 and len(numbers) > 2:
            remove_version(root, parse_ref(f"toys@{rng.choice(numbers[:-1])}"))
        if rng.random() < 0.4:
            collect(root, "toys")
    elif numbers:
        number = rng.choice(numbers)
        try:
            with open_version(root, parse_ref(f"toys@{number}")) as version:
                for row in range(len(version)):
                    version.read(row)
                assert fingerprint(version.table) == version.info.fingerprint
                print("read", number, version.info.fingerprint, flush=True)
        except (DataError, RefError):
            if (root / f"toys/versions/{number}").exists():
                raise

while True:
    try:
        step()
    except RefError:  # the other writer removed it first
        pass
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_two_writers_and_three_readers_and_kills_leave_a_whole_store(tmp_path: Path, seconds: int) -> None:
    root, rng = tmp_path / "root", random.Random(seconds)
    ingest(write_texts(tmp_path / "first.csv", per_class=20), root, "toys", probe=lambda modality, data: {})
    logs = tmp_path / "logs"
    logs.mkdir()
    roles = ["writer", "writer", "reader", "reader", "reader"]
    started = 0

    def start(role: str) -> subprocess.Popen[bytes]:
        nonlocal started
        started += 1
        command = [sys.executable, "-c", CHILD, role, str(root), str(started)]
        with (logs / f"{started} out").open("wb") as out, (logs / f"{started} err").open("wb") as err:
            return subprocess.Popen(command, stdout=out, stderr=err)

    children = {place: start(role) for place, role in enumerate(roles)}
    killed: set[int] = set()
    try:
        while (
            sum(path.stat().st_size > 0 for path in logs.glob("* out")) < 5
        ):  # until each has done something
            time.sleep(0.2)
            assert all(child.poll() is None for child in children.values())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.5, 1.5))
            place = rng.choice([0, 0, 1, 1, 2, 3, 4])
            if children[place].poll() is None and rng.random() < 0.8:
                children[place].send_signal(signal.SIGKILL)
                children[place].wait()
                killed.add(place)
                children[place] = start(roles[place])
    finally:
        alive = [child.poll() is None for child in children.values()]
        for child in children.values():
            with suppress(ProcessLookupError):
                child.kill()
            child.wait()

    faults = b"".join(path.read_bytes() for path in sorted(logs.glob("* err")))
    faults = b"\n".join(line for line in faults.splitlines() if not line.startswith(b"waiting for another"))
    assert faults == b""
    assert all(alive)
    said: dict[str, str] = {}
    for path in logs.glob("* out"):
        for line in path.read_text().splitlines():
            _, number, found = line.split()
            assert said.setdefault(number, found) == found  # a number means one thing for ever
    assert len(said) >= 2
    assert killed

    for number in versions_of(root, "toys"):
        with open_version(root, parse_ref(f"toys@{number}")) as version:
            assert verify(version) == []
            assert (
                fingerprint(version.table)
                == version.info.fingerprint
                == said.get(str(number), version.info.fingerprint)
            )
    collect(root, "toys")
    used: set[str] = set()
    for number in versions_of(root, "toys"):
        with open_version(root, parse_ref(f"toys@{number}")) as version:
            assert verify(version) == []
            used |= set(version.table.column("shard").to_pylist())
    assert {path.name for path in (root / "toys/shards").iterdir()} == {f"{name}.tar" for name in used}
    assert all(path.name.isdecimal() for path in (root / "toys/versions").iterdir())
