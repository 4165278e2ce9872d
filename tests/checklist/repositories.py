"""Small repositories, each good in some items and only seeming so in others, with what is right for each.

A file of `examples/` says in its first lines which items its repository shows and which cannot be told; all
others are not there. The files follow, each under `-- path --`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ALWAYS_OPEN = {"access", "revisited", "understanding"}
_EXAMPLES = Path(__file__).with_name("examples")


@dataclass(frozen=True)
class Example:
    """Files by path, and the items that they show or cannot tell."""

    name: str
    files: dict[str, str]
    yes: set[str]
    unknown: set[str]

    def write(self, folder: Path) -> Path:
        """Put it into a folder."""
        for path, text in self.files.items():
            place = folder / self.name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        return folder / self.name


def read(name: str) -> Example:
    """An example by its name."""
    first, *parts = re.split(
        r"^-- (.+) --\n", (_EXAMPLES / f"{name}.txt").read_text("utf-8"), flags=re.MULTILINE
    )
    said = dict(line.split(":", 1) for line in first.splitlines())
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    return Example(name, files, set(said["yes"].split()), set(said["cannot tell"].split()))


EXAMPLES = [read(path.stem) for path in sorted(_EXAMPLES.glob("*.txt"))]
