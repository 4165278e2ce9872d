"""Predictions of many inputs: a row each, the same whatever ran them, and gone on with after a kill."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.bundle import open_bundle
from holdfast.core.errors import BundleError, DataError
from holdfast.core.files import digest_bytes
from holdfast.core.locks import try_lock
from holdfast.core.workspace import Workspace
from holdfast.testing.bundles import toy_bundle, toy_item
from holdfast.workflows.batch import predict_batch
from holdfast.workflows.batch_inputs import find_inputs
from holdfast.workflows.batch_parts import begin
from holdfast.workflows.batch_worker import Worker
from holdfast.workflows.predicting import predict
from tests.batches import LABELS, parts, rows, run
from tests.journey import answer, holdfast, no_room


def test_each_input_has_a_row_and_one_that_is_no_picture_has_the_reason(lab: Path) -> None:
    result = run(lab, lab / "preds")

    told = rows(lab / "preds")
    assert [row["name"] for row in told] == sorted(str(path) for path in (lab / "shapes").rglob("[!.]*.png"))
    assert [Path(row["name"]).name for row in told if row["error"]] == ["broken.png"]
    assert all(row["label"] is None and row["p.disc"] is None for row in told if row["error"])
    assert all(row["digest"] == digest_bytes(Path(row["name"]).read_bytes()) for row in told)
    counts = {"inputs": 141, "predicted": 140, "errors": 1, "parts": 3, "made": 0}
    assert {name: result[name] for name in counts} == counts
    assert "not an image" in result["first_errors"][0]["error"]


def test_they_are_the_predictions_of_single_files(lab: Path) -> None:
    few = [row for row in rows(lab / "preds") if not row["error"]][::20]

    told = predict(str(lab / "toy"), Workspace(lab / "home"), sources=[row["name"] for row in few])

    for row, one in zip(few, told["predictions"], strict=True):
        assert row["label"] == one["label"]
        assert row["probability"] == max(row["p.disc"], row["p.square"])
        for label in LABELS:
            assert row[f"p.{label}"] == pytest.approx(one["probabilities"][label], abs=1e-6)


def test_any_number_of_workers_writes_the_same_bytes(lab: Path, tmp_path: Path) -> None:
    for workers in (1, 3):
        run(lab, tmp_path / str(workers), workers=workers)

        assert parts(tmp_path / str(workers)) == parts(lab / "preds")


@pytest.mark.parametrize("size", [500, 5000])
def test_a_full_disk_is_told_with_the_place_and_the_run_is_gone_on_with(
    lab: Path, tmp_path: Path, size: int
) -> None:
    """The first at the plan already, the second at a part."""
    command = ("predict", str(lab / "toy"), str(lab / "shapes"), "--out", str(tmp_path / "out"))

    with no_room(size):
        told = holdfast(*command, home=lab / "home", expect=1).stderr

    assert told.startswith(f"error: {tmp_path / 'out'}")
    assert "File too large" in told.splitlines()[0]
    holdfast(*command, home=lab / "home")
    assert parts(tmp_path / "out") == parts(lab / "preds")


def test_a_run_that_is_killed_is_gone_on_with_and_ends_the_same(lab: Path, tmp_path: Path) -> None:
    slow = (
        "import sys, time\n"
        "from holdfast.cli import main\n"
        "from holdfast.workflows.batch_worker import Worker\n"
        "decode = Worker._decode\n"
        "Worker._decode = lambda *it: (time.sleep(0.01), decode(*it))[1]\n"
        "sys.argv[0] = 'holdfast'\n"
        "main()"
    )
    command = ["predict", str(lab / "toy"), str(lab / "shapes"), "--out", str(tmp_path / "out")]
    with subprocess.Popen([sys.executable, "-c", slow, *command, "--workers", "1"]) as process:
        end = time.monotonic() + 60
        while not parts(tmp_path / "out") and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    kept = parts(tmp_path / "out")
    assert 0 < len(kept) < 3

    told = answer(*command, home=lab / "home")

    assert told["made"] == 3 - len(kept)
    assert parts(tmp_path / "out") == parts(lab / "preds")
    assert not list((tmp_path / "out").glob(".aside-*"))


def test_only_parts_that_are_cut_short_or_have_other_rows_are_made_again(mine: Path) -> None:
    out, before = mine / "preds", parts(mine / "preds")
    first, second, third = sorted(out.glob("part-*.parquet"))
    second.write_bytes(third.read_bytes())
    third.write_bytes(third.read_bytes()[:100])
    kept = first.stat().st_mtime_ns

    assert run(mine, out)["made"] == 2
    assert parts(out) == before
    assert first.stat().st_mtime_ns == kept


def test_inputs_that_changed_since_they_were_begun_are_named(mine: Path) -> None:
    pictures = sorted((mine / "shapes/square").glob("*.png"))
    pictures[0].write_bytes(b"other")
    pictures[1].unlink()
    (mine / "shapes/new.png").write_bytes(b"new")

    with pytest.raises(DataError) as caught:
        run(mine, mine / "preds")

    name = pictures[0].relative_to(mine / "shapes").as_posix()
    gone = pictures[1].relative_to(mine / "shapes").as_posix()
    assert f"1 changed ({name}), 1 removed ({gone}), 1 added (new.png)" in caught.value.message
    assert "another --out" in str(caught.value.hint)


def test_a_file_that_changes_or_vanishes_under_way_is_an_error_of_its_own(mine: Path) -> None:
    bundle = open_bundle(mine / "toy")
    origins, inputs = find_inputs([str(mine / "shapes")], Workspace(mine / "home"), "image")
    (mine / "out").mkdir()
    plan = begin(mine / "out", model="toy", bundle=bundle.digest, batch=8, origins=origins, inputs=inputs)
    one, other = sorted((mine / "shapes/square").glob("*.png"))[:2]
    one.write_bytes(toy_item("image", 9))
    other.unlink()

    sum(Worker(plan, bundle, threads=1).run(range(plan.parts)))

    told = {row["name"]: row["error"] for row in rows(mine / "out")}
    assert "changed since it was listed" in told[str(one)]
    assert "cannot be read" in told[str(other)]
    assert sum(error is not None for error in told.values()) == 3


def test_a_folder_of_something_else_or_of_another_model_is_left_alone(mine: Path, tmp_path: Path) -> None:
    toy_bundle(mine / "other", labels=LABELS, seed=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("dear")
    before = parts(mine / "preds")

    with pytest.raises(DataError, match="has predictions of toy, not of other"):
        run(mine, mine / "preds", bundle="other")
    with pytest.raises(DataError, match=r"has predictions of .*/shapes/, not of .*/shapes/disc/"):
        run(mine, mine / "preds", str(mine / "shapes/disc"))
    with pytest.raises(DataError, match=r"holds no predictions, but 'letter\.txt'"):
        run(mine, tmp_path / "full")
    with pytest.raises(DataError, match="is a file"):
        run(mine, tmp_path / "full/letter.txt")
    assert parts(mine / "preds") == before


def test_two_do_not_predict_into_one_folder_at_once(lab: Path) -> None:
    lock = try_lock(lab / "preds/.lock")
    assert lock is not None
    with lock, pytest.raises(DataError, match="another process is predicting into"):
        run(lab, lab / "preds")


def test_many_labels_are_told_by_the_likeliest(lab: Path, tmp_path: Path) -> None:
    labels = [f"kind {number}" for number in range(120)]
    bundle = open_bundle(toy_bundle(tmp_path / "many", labels=labels))
    source = str(lab / "shapes/square")

    predict_batch(str(bundle.folder), Workspace(tmp_path), [source], tmp_path / "out")

    for row in rows(tmp_path / "out"):
        assert row["top_labels"][0] == row["label"]
        assert row["top_probabilities"][0] == row["probability"]
        assert row["top_probabilities"] == sorted(row["top_probabilities"], reverse=True)
        assert len(set(row["top_labels"])) == 10


def test_many_labels_a_sample_are_a_list(lab: Path, tmp_path: Path) -> None:
    bundle = toy_bundle(tmp_path / "multi", task="multi", labels=LABELS)

    predict_batch(str(bundle), Workspace(tmp_path), [str(lab / "shapes")], tmp_path / "out")

    for row in rows(tmp_path / "out"):
        given = [label for label in LABELS if not row["error"] and row[f"p.{label}"] >= 0.5]
        assert row["labels"] == (None if row["error"] else given)


def test_a_sample_for_which_the_graph_gives_no_number_is_an_error_of_its_own(mine: Path) -> None:
    shutil.rmtree(mine / "preds")
    (mine / "preds").mkdir()
    bundle = open_bundle(mine / "toy")
    origins, inputs = find_inputs([str(mine / "shapes")], Workspace(mine / "home"), "image")
    plan = begin(mine / "preds", model="toy", bundle=bundle.digest, batch=8, origins=origins, inputs=inputs)
    worker = Worker(plan, bundle, threads=1)
    right, odd = worker._engine.predict_parts, worker._decode(Path(sample(mine)).read_bytes())

    def wrong(decoded: Any) -> Any:
        if any(np.array_equal(each, odd) for each in decoded):
            raise BundleError("gives probabilities that are not numbers")
        return right(decoded)

    worker._engine.predict_parts = wrong  # type: ignore[method-assign]
    sum(worker.run(range(plan.parts)))

    told = {row["name"]: row["error"] for row in rows(mine / "preds") if row["error"]}
    assert len(told) == 2
    assert "not numbers" in told[sample(mine)]


def sample(lab: Path) -> str:
    return str(lab / "shapes/square/square (7).png")


def test_the_command_says_what_it_did_and_never_loads_torch(lab: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from holdfast.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    print('ended with', end.code, 'torch' in sys.modules)"
    )
    command = ["predict", str(lab / "toy"), str(lab / "shapes"), "--out", str(tmp_path / "out")]

    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)

    assert "predicted    140 of 141" in done.stdout
    assert "broken.png: not an image" in done.stdout
    assert "ended with 0 False" in done.stdout
    assert done.stderr == ""


def test_a_table_is_not_taken_for_one_text(tmp_path: Path) -> None:
    bundle = toy_bundle(tmp_path / "bundle", modality="text")
    (table := tmp_path / "texts.jsonl").write_text('{"text": "red"}\n{"text": "blue"}\n')

    with pytest.raises(DataError, match="is a table, whose columns have to be told apart first"):
        predict(str(bundle), workspace=Workspace(tmp_path), sources=[str(table)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "ray"), "are for many inputs"),
        (("--text", "a wave", "--out", "out"), "--text is not for --out"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    lab: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = holdfast("predict", str(lab / "toy"), *options, home=tmp_path, expect=1, cwd=tmp_path)

    assert message in done.stderr
    assert "hint:" in done.stderr
