"""To W&B: a run on its server, or offline in the run's own folder for `wandb sync`."""

import os
from pathlib import Path
from typing import Any, Literal

from holdfast.core.addresses import masked
from holdfast.tracking.exporters.pictures import MOST_LABELS, draw_confusion
from holdfast.tracking.exporters.sent import Sent
from holdfast.tracking.exporters.shown import Results, Sample, facts_of, named, settings_of
from holdfast.tracking.record import RunRecord

_DEFAULTS = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
_CONFUSION = "wandb/confusion_matrix/v1"
"""The tool's own chart."""


class WeightsAndBiases:
    """One run; the same settings, steps and results as elsewhere.

    Args:
        project: its name there.
        mode: online or offline.
        wait_s: longest time that signing in may take.
    """

    def __init__(self, project: str, mode: Literal["online", "offline"], wait_s: float) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        self._project, self._mode, self._wait_s = project, mode, wait_s
        self._run: Any = None
        self._status = ""
        self._step = 0

    def start(self, run: RunRecord, sent: Sent) -> Sent:
        """Begin a run there, or go on with it."""
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            init_timeout=self._wait_s,
            # What it would find out by itself is about this process, and may hold secrets: a command line.
            disable_git=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
        )
        self._run = wandb.init(
            project=self._project,
            id=run.id,
            name=run.id,
            mode=self._mode,
            dir=run.folder,
            resume="allow" if self._mode == "online" else None,
            config={**settings_of(run.folder), **facts_of(run.info)},
            settings=settings,
        )
        where = self._run.url or str(Path(self._run.settings.sync_dir))
        return sent.but(id=run.id, where=masked(where))

    def metrics(self, rows: list[dict[str, Any]]) -> None:
        """Add lines of the log."""
        for row in rows:
            self._step = row["step"]
            self._run.log(named(row), step=self._step)

    def finish(self, results: Results) -> None:
        """Add how the run ended."""
        self._status = results.status
        self._run.summary.update(results.metrics)
        shown: dict[str, Any] = {}
        if results.per_label:
            shown["test/labels"] = _table(results.per_label)
        if results.confusion and len(results.labels) <= MOST_LABELS:
            shown |= _confusion(results.confusion, results.labels)
        if results.samples:
            shown["test/samples"] = _samples(results.samples)
        if shown:
            self._run.log(shown)

    def close(self) -> None:
        """Wait until everything is sent or written."""
        import wandb

        self._run.finish(exit_code=0 if self._status == "finished" else 1)
        wandb.teardown()


def _table(rows: list[dict[str, Any]]) -> Any:
    import wandb

    columns = list(rows[0])
    return wandb.Table(columns=columns, data=[[row[column] for column in columns] for row in rows])


def _confusion(counts: list[list[int]], labels: list[str]) -> dict[str, Any]:
    import wandb

    columns = ["Actual", "Predicted", "nPredictions"]
    rows = [
        [true, given, count]
        for true, line in zip(labels, counts, strict=True)
        for given, count in zip(labels, line, strict=True)
    ]
    table = wandb.Table(columns=columns, data=rows)
    fields = {name: name for name in columns}
    return {
        "test/confusion": wandb.plot_table(_CONFUSION, table, fields, {"title": "Held-out samples"}),
        "test/confusion_picture": wandb.Image(_opened(draw_confusion(counts, labels))),
    }


def _samples(samples: list[Sample]) -> Any:
    import wandb

    columns = ["sample", "picture", "text", "true", "predicted", "probability", "right"]
    rows = [
        [
            sample.name,
            wandb.Image(str(sample.picture)) if sample.picture else None,
            sample.text,
            sample.true,
            sample.predicted,
            sample.probability,
            sample.true == sample.predicted,
        ]
        for sample in samples
    ]
    return wandb.Table(columns=columns, data=rows)


def _opened(png: bytes) -> Any:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(png))
