import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.tracking import Run
from holdfast.tracking.exporters import Helpers, Settings


def records(path: Path) -> Iterator[Any]:
    """What a W&B file holds: protobuf records in the log format of LevelDB, after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, begun = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        room = 32768 - place % 32768
        if room < 7:
            place += room
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        begun += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            record = Record()
            record.ParseFromString(begun)
            yield record
            begun = b""


def test_offline_everything_is_in_the_runs_folder(run: Run) -> None:
    settings = Settings("birds", mode="offline", wait_s=120)

    said = Helpers(run.folder, ["wandb"], settings).finish("finished")["wandb"]

    (file,) = run.folder.glob("wandb/offline-run-*/*.wandb")
    assert said == f"sent to {file.parent}"
    found = list(records(file))
    (begun,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    assert (begun.project, begun.run_id) == ("birds", run.id)
    history = [record.history for record in found if record.WhichOneof("record_type") == "history"]
    points = [
        (row.step.num, {item.key or "/".join(item.nested_key): item.value_json for item in row.item})
        for row in history
    ]
    assert points[0][0] == 5
    assert points[0][1]["train/loss"] == "0.7"
    assert points[1][0] == 10
    assert points[1][1]["valid/accuracy"] == "0.75"  # two lines of one step are one point
    named = {"/".join(name.split("/")[:2]) for _, values in points for name in values}
    assert {"test/samples", "test/confusion_table", "test/confusion_picture", "test/labels"} <= named
    summary = [item for record in found for item in record.summary.update]
    assert {"test/macro_f1"} <= {item.key or "/".join(item.nested_key) for item in summary}
    (exit_code,) = [r.exit.exit_code for r in found if r.WhichOneof("record_type") == "exit"]
    assert exit_code == 0
    assert list(file.parent.glob("files/media/images/**/*.png"))
