"""Which model gave the latest predictions: true labels that come soon are checked against its labels."""

from collections.abc import Sequence
from itertools import islice

from holdfast.core.media import Task

Kind = tuple[Sequence[str], Task]
"""What a model gives: its labels, and one of them or many."""
_MOST = 10_000
"""Predictions that are remembered; some 2 MB."""


class Recent:
    """The latest predictions of a server. Used from the event loop only.

    >>> recent = Recent()
    >>> recent.note(["a"], (["owl"], "single"))
    >>> recent.kind("a"), recent.kind("b")
    ((['owl'], 'single'), None)
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kinds: dict[str, Kind] = {}

    def note(self, ids: Sequence[str], kind: Kind) -> None:
        """Remember who gave these predictions, and forget those that were given first."""
        self._kinds.update(dict.fromkeys(ids, kind))
        for number in list(islice(self._kinds, max(0, len(self._kinds) - self._most))):
            del self._kinds[number]

    def kind(self, number: object) -> Kind | None:
        """Of the model that gave this prediction, if it is remembered."""
        return self._kinds.get(number) if isinstance(number, str) else None
