"""To MLflow: a run on a tracking server, with the same steps, and what belongs to it as artifacts."""

import csv
import html
import io
import os
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

from holdfast.core.addresses import masked
from holdfast.tracking.exporters.pictures import MOST_LABELS, draw_confusion
from holdfast.tracking.exporters.sent import Sent
from holdfast.tracking.exporters.shown import Results, Sample, facts_of, named, settings_of
from holdfast.tracking.record import RunRecord

_DEFAULTS = {
    # A server that is away fails in half a minute, not after the minutes of seven tries.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_METRICS, _PARAMS, _LONGEST = 500, 100, 500
"""What a server takes in one request, and of one setting."""


class Mlflow:
    """One run on a tracking server.

    Args:
        uri: of the server; None takes MLFLOW_TRACKING_URI.
        project: the experiment's name.
    """

    def __init__(self, uri: str | None, project: str) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        self._client: Any = MlflowClient(uri)
        self._uri = uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        self._project = project
        self._id = ""

    def start(self, run: RunRecord, sent: Sent) -> Sent:
        """Begin a run there, or go on with it."""
        if sent.id:
            self._id = sent.id
            self._client.update_run(self._id, status="RUNNING")
            return sent
        experiment = self._experiment()
        tags = {"mlflow.source.name": "holdfast", **facts_of(run.info)}
        self._id = self._client.create_run(experiment, run_name=run.id, tags=tags).info.run_id
        self._settings(run)
        page = f"/#/experiments/{experiment}/runs/{self._id}"
        where = self._uri.rstrip("/") + page if self._uri.startswith("http") else self._uri
        return sent.but(id=self._id, where=masked(where))

    def metrics(self, rows: list[dict[str, Any]]) -> None:
        """Send lines of the log."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = [Metric(name, value, now, row["step"]) for row in rows for name, value in named(row).items()]
        for start in range(0, len(found), _METRICS):
            self._client.log_batch(self._id, metrics=found[start : start + _METRICS])

    def finish(self, results: Results) -> None:
        """Send how the run ended."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        ends = [Metric(name, value, now, 0) for name, value in results.metrics.items()]
        self._client.log_batch(self._id, metrics=ends)
        if results.per_label:
            self._client.log_text(self._id, _csv(results.per_label), "test/labels.csv")
        if results.confusion and len(results.labels) <= MOST_LABELS:
            self._file("test/confusion.png", draw_confusion(results.confusion, results.labels))
        if results.samples:
            self._client.log_text(self._id, _page(results.samples), "test/samples.html")
        self._client.set_terminated(self._id, "FINISHED" if results.status == "finished" else "FAILED")

    def close(self) -> None:
        """Each call has sent what it was given."""

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self._project)
        if found is None:
            try:
                return str(self._client.create_experiment(self._project))
            except MlflowException:  # another run was quicker
                found = self._client.get_experiment_by_name(self._project)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _settings(self, run: RunRecord) -> None:
        from mlflow.entities import Param

        found = [Param(name, str(value)[:_LONGEST]) for name, value in settings_of(run.folder).items()]
        for start in range(0, len(found), _PARAMS):
            self._client.log_batch(self._id, params=found[start : start + _PARAMS])

    def _file(self, name: str, data: bytes) -> None:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(data)
            self._client.log_artifact(self._id, str(path), str(Path(name).parent))


def _csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _page(samples: list[Sample]) -> str:
    """One page that needs no other file, since the server shows each artifact by itself."""
    columns = ["", "sample", "true", "predicted", "probability"]
    rows = "".join(_row(sample) for sample in samples)
    head = "".join(f"<th>{name}</th>" for name in columns)
    style = "body{font:14px sans-serif}td,th{padding:4px 12px;text-align:left}img{max-height:128px}"
    return f"<!doctype html><meta charset=utf-8><style>{style}</style><table><tr>{head}</tr>{rows}</table>"


def _row(sample: Sample) -> str:
    if sample.picture:
        data = b64encode(sample.picture.read_bytes()).decode()
        shown = f'<img src="data:image/png;base64,{data}" alt="">'
    else:
        shown = html.escape(sample.text or "")
    said = [sample.name, sample.true, sample.predicted, f"{sample.probability:.1%}"]
    return f"<tr><td>{shown}</td>" + "".join(f"<td>{html.escape(text)}</td>" for text in said) + "</tr>"
