"""`holdfast client` against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.bundles import toy_bundle, toy_item
from tests.journey import holdfast


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bundle = open_bundle(
        toy_bundle(tmp_path_factory.mktemp("made") / "bundle", labels=("heron", "\x1b[2Jowl"))
    )
    engine = Engine(bundle, threads=1)
    config = ServeConfig(port=0, threads=1)
    with running(create_app(engine, config, ref="toys@3"), config) as address:
        yield address
    engine.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (inner := tmp_path / "pictures" / "inner").mkdir(parents=True)
    for number in range(3):
        (inner / f"{number}.png").write_bytes(toy_item("image", number))
    (inner / "notes.txt").write_text("not of this modality")
    return tmp_path


def test_a_person_sees_a_table(url: str, folder: Path) -> None:
    done = holdfast("client", url, str(folder / "pictures"), home=folder)

    head, *rows = done.stdout.splitlines()
    assert head.split() == ["item", "label", "probability"]
    assert [row.split()[0].rpartition("/")[2] for row in rows] == ["0.png", "1.png", "2.png"]
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_a_program_gets_lines_of_json(url: str, folder: Path) -> None:
    done = holdfast("client", url, str(folder / "pictures"), "--json", "--top", "1", home=folder)

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(it["file"]).name for it in found] == ["0.png", "1.png", "2.png"]
    assert all(it["id"] and it["model"] == "toys@3" and it["left_out"] == 1 for it in found)


def test_a_table_is_not_sent_as_one_text(tmp_path: Path) -> None:
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle", modality="text")), threads=1)
    config = ServeConfig(port=0, threads=1)
    (table := tmp_path / "texts.csv").write_text("text\nred\n")

    with running(create_app(engine, config, ref="toys@3"), config) as address:
        done = holdfast("client", address, str(table), home=tmp_path, expect=1)
    engine.close()

    assert f"{table} is a table, and would be read as one text" in done.stderr


def test_what_failed_is_named_and_the_others_are_shown(url: str, folder: Path) -> None:
    (bad := folder / "bad.png").write_bytes(b"no picture")
    args = ("client", url, str(bad), str(folder / "missing.png"), str(folder / "pictures"))

    table = holdfast(*args, home=folder, expect=1)
    lines = holdfast(*args, "--json", home=folder, expect=1)

    assert f"error: no prediction of {bad}, {folder / 'missing.png'}" in table.stderr
    assert len(table.stdout.splitlines()) == 6
    assert "not an image" in table.stdout
    assert [("error" in json.loads(line)) for line in lines.stdout.splitlines()] == [True, True] + [False] * 3
    assert json.loads(lines.stderr)["error"].startswith("no prediction of")


def test_one_bad_file_is_told_too(url: str, folder: Path) -> None:
    (bad := folder / "bad.png").write_bytes(b"no picture")

    done = holdfast("client", url, str(bad), home=folder, expect=1)

    assert "not an image" in done.stdout
    assert "send a whole JPEG" in done.stdout


def test_a_recording_that_is_too_long_is_to_be_sent_as_a_job(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.flac", np.zeros(1900 * 1000), 1000)
    (tmp_path / "large.wav").write_bytes(bytes(30_000_000))
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle", modality="audio")), threads=1)
    config = ServeConfig(port=0, threads=1)
    with running(create_app(engine, config, ref="toys@3"), config) as address:
        long = holdfast("client", address, str(tmp_path / "long.flac"), "--json", home=tmp_path, expect=1)
        large = holdfast("client", address, str(tmp_path / "large.wav"), home=tmp_path, expect=1)
        heard = holdfast("client", address, str(tmp_path / "long.flac"), "--job", home=tmp_path)
    engine.close()

    assert json.loads(long.stdout)["hint"].endswith(": add --job")
    assert "add --job" in large.stdout
    assert "long.flac" in heard.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "nothing to send"),
        (("--text", "the sea"), "it is for image"),
        (("{folder}/empty",), "nothing to send"),
    ],
)
def test_there_must_be_something_to_send(args: tuple[str, ...], said: str, url: str, folder: Path) -> None:
    (folder / "empty").mkdir()

    done = holdfast("client", url, *(arg.format(folder=folder) for arg in args), home=folder, expect=1)

    assert said in done.stderr


def test_what_is_no_server_is_told(folder: Path) -> None:
    done = holdfast("client", "nonsense://a", str(folder), home=folder, expect=1)

    assert "is not the address of a server" in done.stderr
