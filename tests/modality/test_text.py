"""Texts: any text has tokens, padding adds none, and the vocabulary depends on the texts alone."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from holdfast.config.schema import TextPrepare
from holdfast.core.errors import ConfigError, InputError
from holdfast.modality import learn_tokenizer, prepare, probe, read_text
from holdfast.modality.text import TextPreparation

TEXTS = ["the wave on the harbour", "a path over the heather", "the boat and the tide", "naïve café — 水"] * 3
LEARNT = learn_tokenizer(TEXTS, 400)
PLAIN = st.text(min_size=1, max_size=60).filter(lambda text: text.strip() and "\0" not in text)


def preparation(content: bytes = LEARNT, **settings: Any) -> TextPreparation:
    made = prepare(TextPrepare(**settings), content)
    assert isinstance(made, TextPreparation)
    return made


def foreign(pad: str | None = "<pad>", *, padding: bool = False, pad_at: int = 3) -> bytes:
    """A tokenizer as others make them: words, another padding id, [CLS] and [SEP] around."""
    words = ["[CLS]", "[SEP]", "[UNK]", "wave", "boat", "tide"]
    if pad:
        words.insert(pad_at, pad)
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    if padding and pad:
        tokenizer.enable_padding(pad_id=pad_at, pad_token=pad, length=64)
    return tokenizer.to_str().encode()


class TestVocabulary:
    def test_padding_is_0_unknown_is_1_and_every_byte_has_a_token(self) -> None:
        vocabulary = json.loads(LEARNT)["model"]["vocab"]

        assert (vocabulary["[PAD]"], vocabulary["[UNK]"]) == (0, 1)
        assert set(pre_tokenizers.ByteLevel.alphabet()) <= set(vocabulary)
        assert preparation().pad == 0

    def test_it_has_as_many_tokens_as_asked_for_or_as_the_texts_give(self) -> None:
        assert preparation(learn_tokenizer(TEXTS, 300)).vocab_size == 300
        assert 258 < preparation(learn_tokenizer(TEXTS, 5000)).vocab_size < 400

    def test_what_is_frequent_becomes_one_token(self) -> None:
        assert preparation().decode(b"the wave").shape == (1, 2)

    @settings(deadline=None)
    @given(st.integers(0, 2**32))
    def test_the_order_of_the_texts_does_not_matter(self, seed: int) -> None:
        shuffled = random.Random(seed).sample(TEXTS, len(TEXTS))

        assert learn_tokenizer(iter(shuffled), 320) == learn_tokenizer(TEXTS, 320)

    def test_another_process_learns_the_same(self) -> None:
        code = (
            "import sys; from holdfast.modality import learn_tokenizer;"
            f"sys.stdout.buffer.write(learn_tokenizer({TEXTS!r}, 400))"
        )

        others = [
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(2)
        ]

        assert [other.stdout for other in others] == [LEARNT, LEARNT]

    def test_no_texts_still_make_a_vocabulary_of_bytes(self) -> None:
        assert preparation(learn_tokenizer([], 400)).vocab_size == 258


class TestTokens:
    @settings(deadline=None)
    @given(PLAIN)
    def test_tokens_give_back_the_text(self, text: str) -> None:
        import unicodedata

        ids = preparation(max_tokens=4096).decode(text.encode())

        assert ids.dtype == np.int64
        assert ids.shape[0] == 1
        assert ids.shape[1] >= 1
        assert ids.min() > 1
        back = Tokenizer.from_str(LEARNT.decode()).decode(ids[0].tolist())
        assert back == unicodedata.normalize("NFC", read_text(text.encode()))

    def test_longer_texts_are_cut(self) -> None:
        whole = preparation(max_tokens=256).decode(b"wave boat tide " * 20)[0]

        cut = preparation(max_tokens=10).decode(b"wave boat tide " * 20)[0]

        assert np.array_equal(cut, whole[:10])

    def test_a_text_that_spells_out_a_special_token_does_not_get_it(self) -> None:
        ids = preparation().decode(b"a [PAD] and an [UNK]")[0]

        assert ids.min() > 1

    @pytest.mark.parametrize(
        "twin", [b"\xef\xbb\xbfone\ntwo caf\xc3\xa9", b"one\r\ntwo caf\xc3\xa9", b"one\ntwo cafe\xcc\x81"]
    )
    def test_what_looks_the_same_gets_the_same_tokens(self, twin: bytes) -> None:
        assert np.array_equal(preparation().decode(twin), preparation().decode(b"one\ntwo caf\xc3\xa9"))

    def test_threads_give_the_same_tokens_as_one_thread(self) -> None:
        made = preparation()
        samples = [f"wave {number} boat".encode() * (number % 30 + 1) for number in range(300)]
        alone = [made.decode(data) for data in samples]

        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(made.decode, samples))

        assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


class TestBatches:
    @settings(deadline=None)
    @given(st.lists(PLAIN, min_size=1, max_size=5))
    def test_padding_stands_at_the_end_and_only_there(self, texts: list[str]) -> None:
        made = preparation()
        parts = [made.decode(text.encode())[0] for text in texts]

        batch = made.collate(parts)

        assert batch.dtype == np.int64
        assert batch.shape == (len(texts), max(map(len, parts)))
        for row, part in zip(batch, parts, strict=True):
            assert np.array_equal(row[: len(part)], part)
            assert (row[len(part) :] == 0).all()

    @pytest.mark.parametrize("padding", [False, True])
    def test_a_tokenizer_from_elsewhere_pads_with_its_own_token(self, padding: bool) -> None:
        made = preparation(foreign(padding=padding))

        batch = made.collate([made.decode(b"wave boat tide")[0], made.decode(b"boat")[0]])

        assert (made.pad, made.vocab_size) == (3, 7)
        assert batch.tolist() == [[0, 4, 5, 6, 1], [0, 5, 1, 3, 3]]

    def test_a_tokenizer_from_elsewhere_keeps_its_last_token_when_cut(self) -> None:
        assert preparation(foreign(), max_tokens=4).decode(b"wave boat tide").tolist() == [[0, 4, 5, 1]]

    def test_none_at_all_is_misuse(self) -> None:
        with pytest.raises(ValueError, match="empty"):
            preparation().collate([])

    def test_a_text_has_no_spans(self) -> None:
        assert preparation().spans(1) is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "empty text"),
            (b" \n\t\xc2\xa0", "empty text"),
            (b"\xef\xbb\xbf", "empty text"),
            (b"caf\xe9", "not UTF-8 text (byte 3)"),
            ("tide".encode("utf-16"), "not UTF-8 text (it is UTF-16)"),
            (b"ab\0c", "not a text (NUL at character 2)"),
            (b"\xed\xa0\x80", "not UTF-8 text (byte 0)"),
            (b"x" * 1_000_001, "text of 1,000,001 characters, more than 1,000,000"),
        ],
    )
    def test_the_reason_is_short_and_exact(self, data: bytes, message: str) -> None:
        with pytest.raises(InputError) as error:
            probe("text", data)

        assert error.value.message == message

    def test_decode_has_the_limit_of_the_configuration(self) -> None:
        with pytest.raises(InputError, match=r"^text of 4 characters, more than 3\b"):
            preparation(max_chars=3).decode(b"tide")

    def test_a_text_without_any_token_is_refused(self) -> None:
        bare = Tokenizer(models.BPE({"[PAD]": 0, "a": 1}, [])).to_str().encode()

        with pytest.raises(InputError, match=r"^text without a single token that the tokenizer knows$"):
            preparation(bare).decode(b"tide")

    def test_a_text_that_the_tokenizer_stumbles_over_is_refused(self) -> None:
        lame = Tokenizer(models.WordLevel({"[PAD]": 0, "wave": 1}, unk_token="[UNK]")).to_str().encode()

        with pytest.raises(InputError, match=r"^text that the tokenizer cannot split \("):
            preparation(lame).decode(b"boat")

    def test_a_damaged_tokenizer_is_an_error_of_the_settings(self) -> None:
        with pytest.raises(ConfigError, match="the tokenizer cannot be read"):
            preparation(b"{}")

    def test_a_tokenizer_without_padding_is_an_error_of_the_settings(self) -> None:
        with pytest.raises(ConfigError, match="the tokenizer has no padding token"):
            preparation(foreign(None))

    def test_a_preparation_without_tokenizer_is_misuse(self) -> None:
        with pytest.raises(ValueError, match=r"needs the content of a tokenizer\.json"):
            prepare(TextPrepare())

    @settings(deadline=None)
    @given(st.binary(max_size=100))
    def test_any_bytes_give_tokens_or_an_input_error(self, data: bytes) -> None:
        try:
            plain = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            plain = ""

        if plain.strip() and "\0" not in plain:
            assert preparation().decode(data).shape[1] >= 1
        else:
            with pytest.raises(InputError):
                preparation().decode(data)


def test_facts_count_characters_and_not_bytes() -> None:
    assert probe("text", "\ufeffnaïve 水".encode()) == {"chars": 7}
