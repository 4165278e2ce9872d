"""A process that ends at once leaves nothing undone."""

import subprocess
import sys
from pathlib import Path

import pytest

_WORK = """
import atexit, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from holdfast.cli.ending import end_now

class Loud:
    def __del__(self):
        print("destroyed")

def late():
    time.sleep(0.2)
    print("thread", flush=True)

loud, folder = Loud(), tempfile.TemporaryDirectory()
Path(sys.argv[1]).write_text(folder.name)
atexit.register(lambda: print("at exit"))
threading.Thread(target=late).start()
ThreadPoolExecutor(1).submit(late)
sys.stdout.write("no line's end")
end_now(3)
"""


def test_threads_and_what_waits_for_the_end_are_done_and_nothing_is_destroyed(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WORK, str(tmp_path / "where")], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout == "no line's endthread\nthread\nat exit\n"
    assert not Path((tmp_path / "where").read_text()).exists()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_is_gone_is_no_trouble(stream: str) -> None:
    code = f"import sys; from holdfast.cli.ending import end_now; sys.{stream} = None; end_now(0)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("words", "code"), [(("list",), 0), (("show", "nothing"), 1), (("lisst",), 2)])
def test_commands_about_data_end_with_their_code(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    command = [sys.executable, "-m", "holdfast", "data", *words]
    home = [] if code == 2 else ["--home", str(tmp_path)]
    ended = subprocess.run([*command, *home], capture_output=True, text=True, check=False)

    assert ended.returncode == code
    assert (ended.stdout if code == 0 else ended.stderr).strip()
