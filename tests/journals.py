"""Made-up answers for journals, and what they have written."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from holdfast.config.serve import JournalConfig
from holdfast.monitor.journal import records_of
from holdfast.monitor.stores import Folder
from holdfast.serve.batching import Answer
from holdfast.serve.bodies import Item
from holdfast.serve.engine import Engine
from holdfast.serve.ids import Ids
from holdfast.serve.journal import Journal


def settings(**values: Any) -> JournalConfig:
    return JournalConfig(**{key: str(it) if isinstance(it, Path) else it for key, it in values.items()})


def read(where: Path) -> list[dict[str, Any]]:
    return list(records_of([Folder(where)]))


def wait_for(true: Callable[[], Any], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)


class Source:
    """Notes made-up answers in a journal."""

    def __init__(self, engine: Engine) -> None:
        self.live: Any = SimpleNamespace(engine=engine, ref="toys@3", modality=engine.manifest.modality)
        self.ids = Ids()
        row = np.array([0.6, 0.3, 0.1])
        self.answer = Answer(row, row[None].astype(np.float32), np.zeros(3))

    def note(self, journal: Journal, count: int = 1, data: bytes = b"GIF8") -> list[str]:
        ids = self.ids.take(count)
        items = [Item("a.gif", data)] * count
        journal.note(self.live, "r", ids, items, [self.answer] * count, [["heron"]] * count, 0.1)
        return ids


def balanced(journal: Journal) -> bool:
    counts = journal.counts()
    return bool(counts["noted"] == counts["written"] + counts["lost"] + counts["waiting"])
