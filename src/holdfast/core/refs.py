"""References: how people name a dataset or a model: `birds`, `birds@3`, `birds@champion`."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.errors import RefError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Ref:
    """A name, and at most one of a version or an alias; neither means the latest version.

    >>> str(Ref("birds", version=3))
    'birds@3'
    """

    name: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        tail = self.alias if self.version is None else self.version
        return self.name if tail is None else f"{self.name}@{tail}"


def parse_ref(text: str) -> Ref:
    """Read a reference.

    Raises:
        RefError: if the text is none.

    >>> parse_ref("birds@champion")
    Ref(name='birds', version=None, alias='champion')
    """
    name, at, tail = text.partition("@")
    check_name(name, text)
    if not at:
        return Ref(name)
    if tail.isascii() and tail.isdigit() and int(tail) > 0:
        return Ref(name, version=int(tail))
    if tail[:1].isdigit():
        raise _not_a_reference(text)
    check_name(tail, text)
    return Ref(name, alias=tail)


def check_name(name: str, text: str | None = None) -> str:
    """Give the name back if it is one: lower-case letters, digits, dot, dash and underscore.

    Raises:
        RefError: if it is not.
    """
    if not _NAME.fullmatch(name):
        raise _not_a_reference(text) if text is not None else _not_a_name(name)
    return name


def name_from(text: str) -> str:
    """A name made from any text, such as that of a folder.

    Raises:
        RefError: if at most half of its letters can be in a name: then others may well make the same one.

    >>> name_from("Brain MRI (2)")
    'brain_mri_2'
    """
    name = re.sub(r"[^a-z0-9.-]+", "_", text.lower()).strip("._-")[:64]
    letters = [letter.isascii() for letter in text if letter.isalpha()]
    if not name or (letters and sum(letters) <= len(letters) / 2):
        raise RefError(
            f"no name can be made from {text!r}",
            hint="give one with --name: lower-case letters a to z, digits, dots, dashes, underscores",
        )
    return name


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to one that may be misspelt, if one is near.

    >>> did_you_mean("warmpu", ["warmup", "lr"])
    'warmup'
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def _not_a_name(name: str) -> RefError:
    return RefError(
        f"{name!r} is not a name",
        hint="up to 64 lower-case letters, digits, dots, dashes, underscores; begin with a letter or digit",
    )


def _not_a_reference(text: str) -> RefError:
    return RefError(
        f"{text!r} is not a reference",
        hint="write NAME, NAME@VERSION or NAME@ALIAS in lower case, such as digits@3 or digits@champion",
    )
