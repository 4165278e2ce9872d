"""README and guides are run: `python` blocks as programs, `console` blocks as commands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.testing.toys import write_attributes, write_images, write_sounds, write_texts

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = {page: found for page in PAGES if (found := _BLOCK.findall(page.read_text(encoding="utf-8")))}


@pytest.mark.parametrize("page", BLOCKS, ids=lambda path: path.stem)
def test_what_a_page_shows_works(page: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "shapes")
    write_sounds(tmp_path / "sounds")
    write_texts(tmp_path / "texts.csv")
    write_attributes(tmp_path / "colours")

    for kind, text in BLOCKS[page]:
        if kind == "console":
            _run_console(text, tmp_path)
        else:
            done = _run([sys.executable, "-c", text], tmp_path)
            assert done.returncode == 0, f"{text}\n{done.stderr}"


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _run_console(text: str, folder: Path) -> None:
    """Run each `$ holdfast …` line; where the block shows an error, it must be that very error."""
    for shown in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = shown.partition("\n")
        program, *args = shlex.split(command, comments=True)
        assert program == "holdfast", f"{command}: pages run holdfast only"
        done = _run([sys.executable, "-m", "holdfast", *args], folder)
        if expected.startswith("error:"):
            assert done.returncode == 1
            assert done.stderr.strip() == expected.strip()
        else:
            assert done.returncode == 0, f"{command}\n{done.stderr}"


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOLDFAST_HOME": str(folder / ".holdfast")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
