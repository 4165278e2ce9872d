"""The checklist over 20,000 files, beside a walk that only reads them."""

import os
import tempfile
import time
from pathlib import Path

from holdfast.checklist import check

_FILES = 20_000
_CODE = '''"""Module {n} of a project."""

import logging

import torch
from torch import nn

log = logging.getLogger(__name__)


class Net{n}(nn.Module):
    """A network."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return x * {n}


def train(net: nn.Module, batches: list[torch.Tensor]) -> float:
    """Mean loss of an epoch."""
    optimizer = torch.optim.Adam(net.parameters())
    total = 0.0
    for batch in batches:
        loss = net(batch).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    log.info("loss %f", total)
    return total / len(batches)
'''
_TEST = """from project.part{n} import train, Net{n}


def test_train():
    assert train(Net{n}(), []) > 0
"""


def main() -> list[tuple[str, float, float | None]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root)
        read_s = min(_timed(lambda: _read_all(root)) for _ in range(2))
        check_s = min(_timed(lambda: check(root)) for _ in range(2))
        crowd = root / "crowd"
        for place in range(_FILES):
            (crowd / str(place % 100)).mkdir(parents=True, exist_ok=True)
            (crowd / str(place % 100) / f"part{place}.py").write_text(_CODE.replace("{n}", str(place)))
        crowd_s = _timed(lambda: check(crowd))
    return [
        (f"checklist, {_FILES:,} files: checklist / walk and read (CPU)", check_s / read_s, None),
        (f"checklist, {_FILES:,} files: CPU seconds", check_s, 10.0),
        (f"checklist, {_FILES:,} files, all Python: CPU seconds", crowd_s, 10.0),
    ]


def _write(root: Path) -> None:
    """A tenth code, a twentieth YAML, some pages, and pictures and tables for the rest."""
    for place in range(_FILES):
        kind = place % 20
        if kind == 0:
            path, text = f"src/project/p{place % 7}/part{place}.py", _CODE.replace("{n}", str(place))
        elif kind == 1:
            path, text = f"tests/test_part{place}.py", _TEST.replace("{n}", str(place - 1))
        elif kind == 2:
            path, text = (
                f"configs/c{place}.yaml",
                f"lr: 0.1\nepochs: {place}\nmodel: {{name: net, size: 3}}\n",
            )
        elif kind == 3:
            path, text = f"docs/page{place}.md", "Words about it. " * 50
        else:
            path, text = f"data/raw/{place % 50}/sample{place}.csv", "1,2,3\n" * 200
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def _read_all(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 - as bare as can be
                file.read()


def _timed(work: object) -> float:
    assert callable(work)
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    for row in main():
        print(row)
