"""Files that do not count: hidden, litter of a file manager, papers beside the data, told to be ignored."""

from fnmatch import fnmatchcase

LITTER = ("__macosx", "thumbs.db", "desktop.ini", "__pycache__", "$recycle.bin")
"""What file managers and Python leave behind, in lower case."""
_PAPERS = ("readme", "license", "licence", "copying", "notice", "changelog", "citation", "contributing")
_PAPER = ("", ".md", ".txt", ".rst", ".html", ".pdf")
PAPER_NAMES = [stem + suffix for stem in _PAPERS for suffix in _PAPER]
"""Names of papers, in lower case."""


def is_litter(name: str) -> bool:
    """Whether a file is hidden, left by a file manager, or a paper that goes with the data.

    >>> is_litter("__MACOSX/cat/._1.jpg"), is_litter("README.md"), is_litter("signs/notice.jpg")
    (True, True, False)
    """
    parts = name.split("/")
    return any(map(is_hidden, parts)) or parts[-1].casefold() in PAPER_NAMES


def is_ignored(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern names this file, or a folder that it is in.

    >>> is_ignored("old/a.jpg", ("old/",)), is_ignored("b/a.jpg", ("*.jpg",)), is_ignored("a", ("b",))
    (True, True, False)
    """
    parts = name.split("/")
    heads = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    trimmed = [pattern.removeprefix("./").rstrip("/") for pattern in patterns]
    return any(fnmatchcase(text, pattern) for pattern in trimmed for text in (*parts, *heads))


def is_hidden(part: str) -> bool:
    """Whether a folder or file of this name, wherever it is, does not count."""
    return part.startswith(".") or part.casefold() in LITTER
