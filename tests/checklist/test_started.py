"""Which applications the images of a repository start."""

from pathlib import Path

import pytest

from holdfast.checklist.repo import Repo
from holdfast.checklist.started import started


def _repo(folder: Path, command: str) -> Repo:
    files = {
        "src/birds/__init__.py": "",
        "src/birds/api.py": "from fastapi import FastAPI\nfrom birds.more import router\napp = FastAPI()\n",
        "src/birds/more.py": "from fastapi import APIRouter\nrouter = APIRouter()\n",
        "src/birds/drift.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "Dockerfile": f"FROM python:3.12\nCOPY src src\nCMD {command}\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Repo(folder)


@pytest.mark.parametrize(
    "command",
    [
        "uvicorn birds.api:app",
        "exec uvicorn birds.api:app --port $PORT",
        '["fastapi", "run", "src/birds/api.py"]',
    ],
)
def test_an_application_brings_what_it_imports(command: str, tmp_path: Path) -> None:
    assert started(_repo(tmp_path, command)) == {"src/birds/api.py", "src/birds/more.py"}


@pytest.mark.parametrize("command", ["python train.py", "uvicorn elsewhere:app", "./start.sh"])
def test_what_is_not_followed_is_not_known(command: str, tmp_path: Path) -> None:
    assert started(_repo(tmp_path, command)) is None
