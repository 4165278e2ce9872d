"""The boxes of a report's checklist."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_BOX = re.compile(r"^\s{0,6}[*+-][ \t]+\[[ \t]{0,4}([xX✓]?)[ \t]{0,4}\][ \t]*(.*)$")
_MODULE = re.compile(r"\((M\d+(?:\s*[+,]\s*M\d+)*)\)\s*\.?$")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(\S.*)$")


@dataclass(frozen=True)
class Item:
    """A box and what it stands for.

    Attributes:
        text: on one line, without its module.
        ticked: whether the box has a cross.
        line: counted from 1.
        section: the heading above it, such as `Week 1`.
        modules: such as `M16`; none where the item names none.
    """

    text: str
    ticked: bool
    line: int
    section: str
    modules: tuple[str, ...] = ()


def items_of(lines: Sequence[str], code: Sequence[bool]) -> tuple[Item, ...]:
    """The items in some lines, those of code left out. An item goes on over indented lines.

    Args:
        lines: without their ends.
        code: whether each is code; may be longer.

    >>> items_of(["### Week 1", "* [x] Write tests", "    for data (M16)", "* [ ] Rest"], [False] * 4)
    (Item(text='Write tests for data', ticked=True, line=2, section='Week 1', modules=('M16',)),
     Item(text='Rest', ticked=False, line=4, section='Week 1', modules=()))
    """
    items: list[Item] = []
    section = ""
    for index, line in enumerate(lines):
        if code[index]:
            continue
        if found := _HEADING.match(line):
            section = found[1].strip("# ")
        elif found := _BOX.match(line):
            text = " ".join([found[2].strip(), *_continued(lines, index + 1)]).strip()
            module = _MODULE.search(text)
            names = tuple(re.findall(r"M\d+", module[1])) if module else ()
            text = text[: module.start()].rstrip() if module else text
            items.append(Item(text, bool(found[1]), index + 1, section, names))
    return tuple(items)


def _continued(lines: Sequence[str], start: int) -> list[str]:
    more = []
    for line in lines[start:]:
        if not line.startswith((" ", "\t")) or not line.strip() or _BOX.match(line):
            break
        more.append(line.strip())
    return more
