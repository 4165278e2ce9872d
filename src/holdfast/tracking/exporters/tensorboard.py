"""To TensorBoard: event files in the run's own folder, so that `tensorboard --logdir` takes all runs."""

import io
import json
import time
from typing import Any

from holdfast.tracking.exporters.pictures import MOST_LABELS, draw_confusion
from holdfast.tracking.exporters.sent import Sent
from holdfast.tracking.exporters.shown import Results, Sample, named, settings_of
from holdfast.tracking.record import RunRecord

FOLDER = "tensorboard"


class TensorBoard:
    """Writes event files without TensorFlow and without torch."""

    def __init__(self) -> None:
        self._writer: Any = None
        self._step = 0

    def start(self, run: RunRecord, sent: Sent) -> Sent:
        """Open an event file; the settings are written once."""
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = run.folder / FOLDER
        self._writer = EventFileWriter(str(folder))
        if not sent.id:
            from tensorboard.plugins.hparams import summary_v2

            settings = settings_of(run.folder)
            plain = {name: _plain(value) for name, value in settings.items()}
            self._add(summary_v2.hparams_pb(plain, trial_id=run.id))
            self._add(_text("settings", _table(["setting", "value"], settings.items())))
            self._writer.flush()
        return sent.but(id=run.id, where=str(folder))

    def metrics(self, rows: list[dict[str, Any]]) -> None:
        """Add lines of the log."""
        for row in rows:
            self._step = row["step"]
            for name, value in named(row).items():
                self._add(_scalar(name, value))
        self._writer.flush()

    def finish(self, results: Results) -> None:
        """Add how the run ended."""
        for name, value in results.metrics.items():
            self._add(_scalar(name, value))
        if results.per_label:
            columns = list(results.per_label[0])
            rows = [[row[column] for column in columns] for row in results.per_label]
            self._add(_text("test/labels", _table(columns, rows)))
        if results.confusion and len(results.labels) <= MOST_LABELS:
            self._add(_picture("test/confusion", draw_confusion(results.confusion, results.labels)))
        for number, sample in enumerate(results.samples, 1):
            if sample.picture:
                tag = f"samples/{number:02} {_caption(sample)}"
                self._add(_picture(tag, sample.picture.read_bytes()))
        if results.samples:
            columns = ["sample", "true", "predicted", "probability", "text"]
            said = [[s.name, s.true, s.predicted, f"{s.probability:.3f}", s.text] for s in results.samples]
            self._add(_text("test/samples", _table(columns, said)))

    def close(self) -> None:
        """All that was added is in the file afterwards."""
        self._writer.close()

    def _add(self, summary: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=self._step, summary=summary))


def _caption(sample: Sample) -> str:
    return f"{sample.true} as {sample.predicted} {sample.probability:.0%}"


def _scalar(tag: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def _picture(tag: str, png: bytes) -> Any:
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = Image.open(io.BytesIO(png)).size
    picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=tag, image=picture)])


def _text(tag: str, markdown: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape)
    metadata = create_summary_metadata(tag, None)
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])


def _table(columns: list[str], rows: Any) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
