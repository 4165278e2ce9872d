"""Texts: UTF-8 to token ids, and the learning of a byte-pair vocabulary."""

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from holdfast.core.errors import ConfigError, InputError
from holdfast.core.media import Modality

PAD, UNK = 0, 1
"""Ids of the padding and the unknown token of the vocabularies that `learn_tokenizer` makes."""

BYTES = 258
"""Tokens of a vocabulary that knows nothing but the bytes."""

_PADDINGS = ("[PAD]", "<pad>", "<|pad|>", "<PAD>")
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class TextPreparation:
    """Token ids, int64, shape (1, tokens) with at least one and at most `max_tokens` tokens."""

    tokenizer: bytes = field(repr=False)
    """Content of a tokenizer.json."""
    max_tokens: int
    max_chars: int
    pad: int = field(init=False)
    """Id that shorter texts of a batch are filled up with."""
    vocab_size: int = field(init=False)
    """One more than the largest id."""
    _encoder: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        encoder = _load(self.tokenizer)
        object.__setattr__(self, "pad", _pad_id(encoder))
        object.__setattr__(self, "vocab_size", 1 + max(encoder.get_vocab().values()))
        encoder.no_padding()
        encoder.enable_truncation(self.max_tokens)
        encoder.encode_special_tokens = True  # a text that says "[PAD]" means these five letters
        object.__setattr__(self, "_encoder", encoder)

    @property
    def modality(self) -> Modality:
        """Always "text"."""
        return "text"

    def decode(self, data: bytes) -> np.ndarray:
        """The first `max_tokens` tokens of a UTF-8 text.

        Raises:
            InputError: if it is not UTF-8 text, is empty, or has more than `max_chars` characters.
        """
        text = read_text(data, self.max_chars)
        try:
            ids = self._encoder.encode(text).ids
        except Exception as error:  # the library raises nothing narrower
            raise InputError(f"text that the tokenizer cannot split ({error})") from error
        if not ids:
            raise InputError("text without a single token that the tokenizer knows")
        return np.array([ids], dtype=np.int64)

    def collate(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Texts of shape (tokens,) as one batch, filled up to the longest with `pad`."""
        batch = np.full((len(parts), max(len(part) for part in parts)), self.pad, dtype=np.int64)
        for row, part in zip(batch, parts, strict=True):
            row[: len(part)] = part
        return batch

    def spans(self, parts: int) -> None:
        """None: a text has no time."""


def learn_tokenizer(texts: Iterable[str], vocab: int) -> bytes:
    """The content of a tokenizer.json: a byte-level BPE vocabulary (Sennrich et al. 2016).

    Every text can be spelt in it, since all 256 bytes are tokens. The order of the texts does not matter.

    Args:
        texts: what to learn from: the training split, and nothing else.
        vocab: most tokens; more of them make texts shorter, but each is seen less often.

    >>> import json
    >>> json.loads(learn_tokenizer(["the sea, the sea"], 300))["added_tokens"][0]["content"]
    '[PAD]'
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106 - no secret
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,
        special_tokens=["[PAD]", "[UNK]"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)  # counting words, it should not mind the order
    return str(tokenizer.to_str(pretty=True)).encode()


def bytes_of_ids() -> list[int]:
    """The bytes that ids from 2 on mean in a vocabulary of BYTES tokens that `learn_tokenizer` makes.

    Bytes that are printable characters of Latin-1 come first, in their order, then the others.

    >>> bytes_of_ids()[0] == ord("!")
    True
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return printable + [byte for byte in range(256) if byte not in set(printable)]


def read_text(data: bytes, max_chars: int | None = None) -> str:
    r"""The text in UTF-8 bytes, without a byte order mark and with \n as the end of a line.

    Browsers send \r\n where files mostly have \n: without this, the same text would get other tokens.

    Raises:
        InputError: if the bytes are not UTF-8 text, are empty, or hold more than `max_chars` characters.

    >>> read_text(b"one\r\ntwo")
    'one\ntwo'
    """
    if data.startswith(_WIDE):
        raise InputError("not UTF-8 text (it is UTF-16)")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text (byte {error.start})") from error
    if (place := text.find("\0")) >= 0:
        raise InputError(f"not a text (NUL at character {place})")
    if max_chars is not None and len(text) > max_chars:
        raise InputError(
            f"text of {len(text):,} characters, more than {max_chars:,}", hint="cut it into shorter texts"
        )
    if not text or text.isspace():
        raise InputError("empty text")
    return text.replace("\r\n", "\n") if "\r" in text else text


def text_facts(data: bytes, max_chars: int) -> dict[str, int | float | str]:
    """The number of characters.

    Raises:
        InputError: as `read_text` does.
    """
    return {"chars": len(read_text(data, max_chars))}


def _load(content: bytes) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises nothing narrower
        raise ConfigError(
            f"the tokenizer cannot be read ({error})",
            hint="it must be a tokenizer.json of Hugging Face tokenizers",
        ) from error


def _pad_id(encoder: Any) -> int:
    """The id that the tokenizer pads with by itself, or that of a token with a usual name."""
    if encoder.padding is not None:
        return int(encoder.padding["pad_id"])
    for name in _PADDINGS:
        if (token := encoder.token_to_id(name)) is not None:
            return int(token)
    raise ConfigError(
        "the tokenizer has no padding token",
        hint=f"add one named {_PADDINGS[0]!r} to it, or leave prepare.tokenizer out to learn a vocabulary",
    )
