"""What every command does where something is in the way: one clear error, and never a trace."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from holdfast.testing.toys import write_images, write_texts
from tests.journey import answer, holdfast, no_room

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and names of any bytes")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two versions of `shapes`, whose files are in tmp_path/shapes."""
    for count in (12, 20):
        write_images(tmp_path / "shapes", per_class=count)
        holdfast("data", "add", str(tmp_path / "shapes"), home=tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("add", "{}/more"), "home/datasets/more"),
        (("checkout", "shapes", "{}/out"), "out"),
        (("export", "shapes", "{}/out"), "out"),
        (("export", "shapes", "{}/out.tar"), "out.tar"),
        (("export", "shapes", "{}/out.zip"), "out.zip"),
        (("export", "shapes", "{}/out.parquet"), "out.parquet"),
        (("export", "shapes", "{}/out", "--format", "webdataset"), "out"),
        (("diff", "shapes@1", "shapes", "--html", "{}/out.html"), "out.html"),
        (("push", "shapes", "{}/far"), "far"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else it,
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_full_disk_is_told_with_the_place(
    home: Path, tmp_path: Path, words: tuple[str, ...], place: str, as_json: bool
) -> None:
    write_images(tmp_path / "more", per_class=20, seed=1)
    command = ["data", *(word.format(tmp_path) for word in words), *(["--json"] if as_json else [])]

    with no_room():
        told = holdfast(*command, home=home, expect=1).stderr

    if as_json:
        said = json.loads(told)
        message, hint = said["error"], said["hint"]
    else:
        message, hint = (line.partition(": ")[2] for line in told.splitlines())
    assert message.startswith(str(tmp_path / place))
    assert message.endswith(": File too large")
    assert "ulimit -f" in hint
    assert not list(tmp_path.glob("out*/*.png")) + list(tmp_path.glob("out.*"))


@LINUX
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("data", "list"), ("--version",), ("data", "list", "--json"), ("--help",)])
def test_an_output_that_is_full_is_told_in_one_line(
    words: tuple[str, ...], unbuffered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("wb") as full:
        done = _run(*words, home=tmp_path, stdout=full)

    assert done.returncode == 1
    assert done.stderr.count(b"\n") <= 2
    assert b"the standard output cannot be written: No space left on device" in done.stderr


@LINUX
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_names_that_are_no_unicode_are_printed_escaped(flags: tuple[str, ...], tmp_path: Path) -> None:
    there = os.fsdecode(os.fsencode(tmp_path) + b"/wo\xff")
    write_texts(tmp_path / "sea.csv", per_class=6)

    added = _run("data", "add", str(tmp_path / "sea.csv"), *flags, home=there)
    shown = _run("data", "show", there, *flags, home=tmp_path)

    assert (added.returncode, shown.returncode) == (1, 1)
    assert b"Traceback" not in added.stderr + shown.stderr
    assert not Path(there).exists()
    assert b"udcff" in added.stderr
    if flags:
        assert json.loads(added.stderr)["hint"]


@pytest.mark.parametrize(
    "words",
    [
        ("data", "push", "shapes", ""),
        ("data", "pull", "shapes", ""),
        ("data", "checkout", "shapes", ""),
        ("data", "export", "shapes", ""),
        ("data", "add", ""),
        ("data", "list", "--home", ""),
        ("data", "diff", "shapes@1", "shapes", "--html", ""),
        ("predict", "shapes", "", "--out", "x"),
        ("predict", "shapes", "x", "--out", ""),
        ("config", "show", "--config", ""),
    ],
    ids=" ".join,
)
def test_nothing_is_no_path(words: tuple[str, ...], tmp_path: Path) -> None:
    told = holdfast(*words, home=tmp_path, cwd=tmp_path, expect=1).stderr

    assert "error: '' is no path" in told
    assert "write . for the folder that you are in" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message", "command"),
    [
        (("nonsense",), "No such command 'nonsense'.", "holdfast"),
        (("data", "add"), "Missing argument 'SOURCE'.", "holdfast data add"),
        (("data", "pull", "a", "b", "--cache-gb", "nan"), "nan is no number of gigabytes", "data pull"),
        (("data", "pull", "a", "b", "--cache-gb", "inf"), "inf is no number of gigabytes", "data pull"),
        (("data", "pull", "a", "b", "--cache-gb", "-1"), "-1.0 is not in the range", "data pull"),
    ],
)
def test_wrong_usage_is_told_as_json_too(
    words: tuple[str, ...], message: str, command: str, tmp_path: Path
) -> None:
    plain = holdfast(*words, home=tmp_path, expect=2).stderr
    told = json.loads(holdfast(*words, "--json", home=tmp_path, expect=2).stderr)

    assert message in plain
    assert message in told["error"]
    assert f"{command} --help`" in told["hint"]


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    table = tmp_path / "sea.csv"
    rows = ["text,label", *(f'"wave {n}","\x1b[31mred\x9b\nsecond"' for n in range(9))]
    table.write_text("\n".join([*rows, *(f"boat {n},blue" for n in range(9))]))
    home = tmp_path / "home"

    shown = (
        holdfast("data", "add", str(table), home=home).stdout
        + holdfast("data", "show", "sea", home=home).stdout
    )

    assert not set("\x1b\x9b") & set(shown + holdfast("data", "show", "sea", "--json", home=home).stdout)
    assert "\\x1b[31mred\\x9b\\nsecond" in shown
    assert "\x1b[31mred\x9b\nsecond" in answer("data", "show", "sea", home=home)["counts"]


def test_a_folder_where_a_file_should_be_is_told(home: Path, tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()

    told = holdfast(
        "data", "diff", "shapes@1", "shapes", "--html", str(tmp_path / "page"), home=home, expect=1
    ).stderr

    assert f"error: {tmp_path / 'page'}: Is a directory" in told
    assert "give another name, or move it away" in told


def test_a_source_is_no_place_to_push_to(home: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))

    for place in (tmp_path / "shapes", tmp_path):
        told = holdfast("data", "push", "shapes", str(place), home=home, expect=1).stderr
        assert f"{place} is no store of datasets, and not empty" in told
        assert f"give a new folder, such as {place / 'holdfast'}" in told

    assert sorted(tmp_path.rglob("*")) == before
    holdfast("data", "push", "shapes", str(tmp_path / "shapes/holdfast"), home=home)
    write_images(tmp_path / "shapes/holdfast/words", per_class=2)
    holdfast("data", "push", "shapes@1", str(tmp_path / "shapes/holdfast"), home=home)
    holdfast("data", "add", str(tmp_path / "shapes/holdfast/words"), home=home)
    told = holdfast("data", "push", "words", str(tmp_path / "shapes/holdfast"), home=home, expect=1).stderr
    assert "words is there, and no dataset that was pushed" in told


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_ctrl_c_while_the_commands_are_loaded_leaves_no_trace(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loading(ModuleType):
        def __getattr__(self, name: str) -> None:
            if name == "app":
                raise KeyboardInterrupt
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "holdfast.cli.app", Loading("app"))

    told = holdfast("data", "list", *flags, home=tmp_path, expect=130).stderr

    assert (json.loads(told)["error"] if flags else told.strip()) in ("interrupted", "error: interrupted")


def _run(*words: str, home: Path | str, **more: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "holdfast", *words]
    environment = {**os.environ, "HOLDFAST_HOME": str(home)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.run(command, env=environment, check=False, **streams)  # type: ignore[call-overload,no-any-return]
