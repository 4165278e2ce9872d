"""Small reports, as teams fill them in."""

from collections.abc import Sequence
from pathlib import Path

REAL = Path(__file__).resolve().parents[2] / "shared/reports"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8


def question(
    number: int, answer: str, *, asks: str = "What runs?", length: str = "Answer length: 2-5 words."
) -> str:
    """A question with its answer."""
    lines = [f"### Question {number}", "", f"> **{asks}**", ">"]
    lines += [f"> {length}", ">"] if length else []
    return "\n".join([*lines, "> Example:", "> *We ran ... .*", ">", "> Answer:", "", answer, ""])


def report(answers: Sequence[str], *, length: str = "Answer length: 2-5 words.") -> str:
    """A report with a checklist of two, and a question for each answer."""
    head = [
        "# A report",
        "",
        "### Week 1",
        "",
        "* [x] Write tests (M16)",
        "* [ ] Set alarms (M28)",
        "",
        "## Facts",
        "",
    ]
    return "\n".join([*head, *(question(n, it, length=length) for n, it in enumerate(answers, start=1))])
