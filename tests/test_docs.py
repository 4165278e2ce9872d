"""README and guides are run: `python` blocks as programs, `console` blocks as commands."""

import re
import shlex
from pathlib import Path

import pytest

from holdfast.testing.toys import write_attributes, write_images, write_sounds, write_texts
from tests.journey import holdfast

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = {page: found for page in PAGES if (found := _BLOCK.findall(page.read_text(encoding="utf-8")))}


@pytest.mark.parametrize("page", BLOCKS, ids=lambda path: path.stem)
def test_what_a_page_shows_works(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / ".holdfast"))
    write_images(tmp_path / "shapes")
    write_sounds(tmp_path / "sounds")
    write_texts(tmp_path / "texts.csv")
    write_attributes(tmp_path / "colours")

    for kind, text in BLOCKS[page]:
        if kind == "console":
            _run_console(text, tmp_path)
        else:
            exec(compile(text, page.name, "exec"), {"__name__": "__main__"})


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
        fails = expected.startswith("error:")
        done = holdfast(*args, home=folder / ".holdfast", expect=int(fails))
        assert not fails or done.stderr.strip() == expected.strip()
