import subprocess
import sys
from pathlib import Path

from holdfast.core.locks import try_lock

_ADD_TEN = """
import sys
from pathlib import Path
from holdfast.core.locks import locked

folder = Path(sys.argv[1])
for _ in range(10):
    with locked(folder / "lock", what="counter"):
        number = int((folder / "count").read_text())
        (folder / "count").write_text(str(number + 1))
"""


def test_writers_take_turns(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")

    writers = [subprocess.Popen([sys.executable, "-c", _ADD_TEN, str(tmp_path)]) for _ in range(3)]
    codes = [writer.wait() for writer in writers]

    assert codes == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "30"


def test_a_held_lock_is_not_given_twice(tmp_path: Path) -> None:
    held = try_lock(tmp_path / "lock")

    assert held is not None
    assert try_lock(tmp_path / "lock") is None
    held.release()
    assert try_lock(tmp_path / "lock") is not None
