"""A small project with much to tell, as a team leaves it: code, tests, workflows, images, a history."""

import json
import subprocess
from pathlib import Path

from tests.checklist.repositories import read

_README = """
## How to begin

    $ git clone https://example.org/tomatoes
    $ pip install -r requirements.txt

Train it with the settings of your choice:

    $ python src/tomatoes/train.py lr=0.01

Or in a container, and then ask it:

    $ docker build -t api -f docker/api.dockerfile .
    $ docker run -p 8000:8000 api
    $ curl -X POST -F file=@red.png http://127.0.0.1:8000/predict

![the architecture of the whole pipeline](docs/overview.png)
"""
_CHECKS = """name: checks
on:
  pull_request:
  schedule:
    - cron: "0 6 * * 1"
jobs:
  style:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/cache@v4
      - run: |
          pip install -r requirements_dev.txt
          ruff check .
          ruff format --check .
          mypy src
"""
_LOAD = {
    "url": "http://127.0.0.1:8000",
    "model": "shapes@1",
    "samples": "16 held-out samples of shapes@1",
    "saturation": {"throughput": 412.5, "users": 8, "rate": None},
    "knee": {"rate": 380.0, "p95_ms": 9.5},
    "steps": [
        {"users": 1, "rate": None, "throughput": 201.25, "p95_ms": 5.75, "errors": {}},
        {"users": 8, "rate": None, "throughput": 412.5, "p95_ms": 21.5, "errors": {}},
        {"users": None, "rate": 380.0, "throughput": 379.5, "p95_ms": 9.5, "errors": {}},
    ],
    "notes": [],
}


def write_project(folder: Path) -> Path:
    """A repository with all of it, and with a history of its own."""
    for name in ("tidy", "cloud"):
        for path, text in read(name).files.items():
            if not path.startswith(".git/"):
                _write(folder / path, text)
    _write(folder / "README.md", (folder / "README.md").read_text("utf-8") + _README)
    _write(folder / ".github/workflows/checks.yml", _CHECKS)
    _write(folder / "load/loadtest.json", json.dumps(_LOAD, indent=2))
    _write(folder / "holdfast.yaml", "serve:\n  journal:\n    where: journal\n")
    (folder / "docs/overview.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x00" * 8)
    _history(folder)
    return folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _history(folder: Path) -> None:
    """Two people, a branch, and what came by pull requests."""

    def git(*args: str, name: str = "Ada") -> None:
        around = (
            "-c",
            f"user.name={name}",
            "-c",
            f"user.email={name}@example.org",
            "-c",
            "commit.gpgsign=false",
        )
        subprocess.run(["git", *around, *args], cwd=folder, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", "README.md")
    git("commit", "-q", "-m", "Begin")
    git("checkout", "-q", "-b", "api")
    git("add", "app")
    git("commit", "-q", "-m", "Answer requests", name="Bo")
    git("checkout", "-q", "main")
    git("merge", "-q", "--no-ff", "-m", "Merge pull request #1 from bo/api", "api")
    git("add", "-A")
    git("commit", "-q", "-m", "All the rest (#2)")
