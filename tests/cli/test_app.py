import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journey import Road, answer, holdfast


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['holdfast', '--help']\n"
        "from holdfast.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('numpy', 'torch', 'pydantic', 'hydra', 'rich', 'pyarrow')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    for command in (
        "up",
        "data",
        "train",
        "sweep",
        "runs",
        "reproduce",
        "evaluate",
        "models",
        "predict",
        "serve",
        "config",
    ):
        assert f"\n  {command} " in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_an_interrupted_command_says_so_in_a_pipe_too(flags: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['holdfast', 'runs', 'list', '--home', {str(tmp_path)!r}, *{flags}]\n"
        "from holdfast.workflows import runs\n"
        "def interrupted(*_): raise KeyboardInterrupt\n"
        "runs.runs_list = interrupted\n"
        "from holdfast.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == ('{"error": "interrupted", "hint": null}\n' if flags else "error: interrupted\n")


@pytest.mark.parametrize("args", [("nonsense",), ("train",), ("data", "add", "x", "--nope")])
def test_wrong_usage_ends_with_2(args: tuple[str, ...], tmp_path: Path) -> None:
    done = holdfast(*args, home=tmp_path, expect=2)

    assert "Usage:" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("data", "show", "Birds"), "'Birds' is not a reference"),
        (("data", "show", "birds"), "no dataset 'birds'"),
        (("data", "add", "nowhere"), "nowhere"),
        (("models", "show", "birds"), "no model 'birds'"),
        (("runs", "show", "birds"), "no run 'birds'"),
        (("data", "add", ".", "--name", "a@3"), "'a@3' is not a name"),
        (("data", "list", "--home", __file__), "is a file"),
        (("serve", "."), "it has no manifest.json"),
        (("models", "rollback", "birds@1"), "names one version, but an alias is rolled back"),
        (("config", "show", "optim.lr=abc"), "optim.lr: expected a number, got 'abc'"),
        (("config", "show", "optim.lr=inf"), "optim.lr: input should be a finite number"),
        (("config", "show", "recipe=${oc.env:HOME}"), "recipe"),
        (("config", "show", "model.name=${oc.env:HOME}"), "references such as '${oc.env:HOME}' are not read"),
        (("config", "show", "--config", "."), "cannot read '.'"),
    ],
)
def test_what_a_user_can_mend_ends_with_1_and_a_hint(
    args: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    plain = holdfast(*args, home=tmp_path, expect=1)
    told = json.loads(holdfast(*args, "--json", home=tmp_path, expect=1).stderr)

    assert message in plain.stderr
    assert "Traceback" not in plain.stderr
    assert message in told["error"]
    assert told["hint"]


@pytest.mark.parametrize(
    "args",
    [
        ("data", "list"),
        ("data", "show", "shapes"),
        ("data", "check", "shapes@1"),
        ("runs", "list"),
        ("models", "list"),
        ("models", "show", "shapes@champion"),
        ("models", "verify", "shapes@1"),
        ("evaluate", "colours@champion"),
        ("predict", "words@champion", "--text", "wave and boat"),
        ("config", "show", "recipe=audio"),
    ],
    ids=" ".join,
)
def test_each_command_speaks_to_people_and_to_programs(road: Road, args: tuple[str, ...]) -> None:
    told = holdfast(*args, home=road.workspace.home)

    assert told.stdout.strip()
    assert told.stderr == ""
    assert answer(*args, home=road.workspace.home)


def test_a_run_is_shown_with_its_epochs(road: Road) -> None:
    shown = answer("runs", "show", road.results["shapes"]["run"], home=road.workspace.home)

    assert shown["status"] == "finished"
    assert [row["epoch"] for row in shown["history"] if "epoch" in row] == [1, 2, 3, 4, 5, 6]


def test_a_pipe_that_closes_early_is_no_error(road: Road) -> None:
    command = [sys.executable, "-m", "holdfast", "config", "show"]
    environment = {**os.environ, "HOLDFAST_HOME": str(road.workspace.home)}

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == b""
