"""Words, their neighbours and runs of characters of a text of bytes, each as one number, inside the graph.

A span's number is a polynomial in its bytes, modulo a prime (Karp and Rabin 1987). With running sums any
span takes one subtraction and one product, however long it is, so words need no table that travels with
the bundle, and the same integers come out of torch and of ONNX.
"""

import torch
from torch import Tensor, nn

PRIME = (1 << 31) - 1
"""Products of two remainders fit into 64 bits."""
NOTHING = 256
"""Stands where a text has no byte."""
BLANK, MARK, WORD, ALONE, INSIDE = range(5)
"""Kinds of bytes: ALONE begins a character that is a word by itself, INSIDE goes on with a character."""
_BASE = 1_000_003
_NEXT = 31_337


class Spans(nn.Module):
    """Bytes of shape (n, length), int64, to numbers of words and runs of characters.

    A word is a run of letters, digits and underscores; any other character but a blank is a word too, and
    so is a character of a script that has no blanks, such as Chinese. Words keep their case, runs of
    characters do not.

    Args:
        longest: most bytes in a text.
    """

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.kinds: Tensor
        self.lower: Tensor
        self.powers: Tensor
        self.inverses: Tensor
        lower = torch.arange(NOTHING + 1)
        lower[65:91] += 32
        constants = {
            "kinds": _kinds(),
            "lower": lower,
            "powers": _powers(_BASE, longest + 1),
            "inverses": _powers(pow(_BASE, -1, PRIME), longest + 1),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def words(self, text: Tensor, *, plain: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Number, first byte and end of each word, in order; each of shape (n, length // 2 + 1).

        Where there is no word, the first byte and the end are the length. In a text with hardly anything
        but marks, the last ones are left out. Plain words are in lower case, and neither marks nor single
        letters.
        """
        length = text.shape[1]
        raw = self.kinds[text]
        if plain:
            raw = torch.where(raw == MARK, BLANK, raw)
        kind = raw
        for _ in range(3):  # a character has at most three bytes after the first
            kind = torch.where(kind == INSIDE, _earlier(kind, BLANK), kind)
        there, before = kind != BLANK, _earlier(kind, BLANK)
        torn = (raw != INSIDE) & ((kind != WORD) | (before != WORD))
        first = there & (torn | (before == BLANK))
        last = there & (_later(first.long(), 1, 1) + (_later(kind, 1, BLANK) == BLANK).long() > 0)
        if plain:
            first, last = first & ~last, last & ~first
        places = torch.arange(length, device=text.device).expand_as(text)
        most = length // 2 + 1
        starts = _packed(first, places)[:, :most]
        ends = _packed(last, places + 1)[:, :most]
        sums = self._sums(self.lower[text] if plain else text)
        return self._numbers(sums, starts, ends), starts, ends

    def runs(self, text: Tensor, sizes: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """For each size: numbers of all runs of so many characters, and whether there is one."""
        sums = self._sums(self.lower[text])
        length = text.shape[1]
        places = torch.arange(length, device=text.device).expand_as(text)
        starts = _packed((self.kinds[text] != INSIDE) & (text != NOTHING), places)
        end = (text != NOTHING).long().sum(dim=1, keepdim=True)
        found = []
        for size in sizes:
            ends = torch.minimum(_later(starts, size, length), end)
            there = _later(starts, size - 1, length) < length
            found.append((self._numbers(sums, torch.minimum(starts, end), ends), there))
        return found

    def runs_in_words(self, text: Tensor, sizes: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """As `runs`, but none goes beyond a word with its marks and one blank before and behind it.

        There is a blank before the first word and behind the last: so a text has at most `longest` - 2 bytes.
        """
        edge = torch.full_like(text[:, :1], NOTHING)
        text = torch.cat([edge, text, edge], dim=1)
        blank = self.kinds[text] == BLANK
        sums = self._sums(torch.where(blank, ord(" "), self.lower[text]))
        blanks = torch.cat([edge * 0, blank.long().cumsum(dim=1)], dim=1)  # before each place
        length = text.shape[1]
        places = torch.arange(length, device=text.device).expand_as(text)
        starts = _packed(self.kinds[text] != INSIDE, places)
        found = []
        for size in sizes:
            second, last = _later(starts, 1, length), _later(starts, size - 1, length)
            whole = (last < length) & (blanks.gather(1, second) == blanks.gather(1, last))
            found.append((self._numbers(sums, starts, _later(starts, size, length)), whole))
        return found

    def _sums(self, text: Tensor) -> Tensor:
        """Running sums of byte times power, shape (n, length + 1)."""
        terms = (text + 1) * self.powers[: text.shape[1]] % PRIME
        return torch.cat([torch.zeros_like(text[:, :1]), terms.cumsum(dim=1) % PRIME], dim=1)

    def _numbers(self, sums: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
        """The same for the same bytes, wherever they stand."""
        return (sums.gather(1, ends) - sums.gather(1, starts)) % PRIME * self.inverses[starts] % PRIME


def neighbours(words: Tensor, there: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Numbers of `count` words in a row, and whether there are so many; both shaped as `words`."""
    numbers, whole = words, there.long()
    for further in range(1, count):
        numbers = (numbers * _NEXT + _later(words, further, 0)) % PRIME
        whole = whole * _later(there.long(), further, 0)
    return numbers, whole > 0


def _kinds() -> Tensor:
    """Of each byte, and of NOTHING. Characters that begin with C2 or E2 are nearly all marks."""
    kinds = torch.full((NOTHING + 1,), MARK)
    for byte in range(128):
        if chr(byte).isalnum() or chr(byte) == "_":
            kinds[byte] = WORD
    kinds[[0, 9, 10, 11, 12, 13, 32, NOTHING]] = BLANK
    kinds[0x80:0xC0] = INSIDE
    kinds[0xC3:0xE2] = WORD
    kinds[0xE3:NOTHING] = ALONE
    return kinds


def _powers(base: int, count: int) -> Tensor:
    powers = [1]
    for _ in range(count):
        powers.append(powers[-1] * base % PRIME)
    return torch.tensor(powers)


def _later(values: Tensor, by: int, fill: int) -> Tensor:
    """What stands `by` places further on; `fill` beyond the end."""
    if not by:
        return values
    edge = torch.full_like(values[:, :1], fill).expand(-1, by)
    return torch.cat([values, edge], dim=1)[:, by:]


def _earlier(values: Tensor, fill: int) -> Tensor:
    return torch.cat([torch.full_like(values[:, :1], fill), values], dim=1)[:, :-1]


def _packed(flags: Tensor, values: Tensor) -> Tensor:
    """The values where flags are set, at the front of each row; the rest is the length of a row."""
    length = flags.shape[1]
    rank = torch.where(flags, flags.long().cumsum(dim=1) - 1, length)
    packed = torch.full_like(torch.cat([values, values[:, :1]], dim=1), length)
    return packed.scatter(1, rank, values)[:, :length]
