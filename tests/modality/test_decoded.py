import io

import numpy as np
import pytest
import soundfile

from holdfast.core.errors import InputError
from holdfast.modality import accept, form_of, learn_tokenizer
from holdfast.modality.audio import AudioPreparation
from holdfast.modality.image import ImagePreparation
from holdfast.modality.preparation import Preparation
from holdfast.modality.text import TextPreparation
from holdfast.testing.bundles import toy_item

IMAGE = ImagePreparation(16, "squash", 10_000)
AUDIO = AudioPreparation(8000, window_s=0.5, hop_s=0.25, max_s=2)
TEXT = TextPreparation(learn_tokenizer(["the sea, the sea"], 300), max_tokens=8, max_chars=1000)


@pytest.mark.parametrize("preparation", [IMAGE, TEXT], ids=["image", "text"])
def test_takes_what_decode_gives(preparation: Preparation) -> None:
    sample = preparation.decode(toy_item(preparation.modality))

    (accepted,) = accept(preparation, sample)

    np.testing.assert_array_equal(accepted, sample)
    assert sample.dtype == form_of(preparation).dtype


def test_cuts_a_recording_as_decode_does() -> None:
    data = toy_item("audio", 3)
    sound, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == AUDIO.rate

    (accepted,) = accept(AUDIO, sound[None])

    np.testing.assert_array_equal(accepted, AUDIO.decode(data))


def test_a_text_loses_the_padding_at_its_end() -> None:
    first, second = accept(TEXT, np.array([[5, 6, 7], [5, TEXT.pad, TEXT.pad]]))

    assert first.tolist() == [[5, 6, 7]]
    assert second.tolist() == [[5]]


@pytest.mark.parametrize(
    ("preparation", "row", "said"),
    [
        (AUDIO, np.array([0, np.nan], np.float32), "item 1: recording with NaN or infinite samples"),
        (AUDIO, np.array([0, -1e9], np.float32), "item 1: recording with samples up to 1e"),
        (TEXT, np.array([5, -1]), "item 1: token -1, outside 0 to"),
        (TEXT, np.array([TEXT.pad, TEXT.pad]), "item 1: text without a single token"),
        (TEXT, np.array([5, 10_000]), "item 1: token 10000, outside 0 to"),
    ],
)
def test_names_the_sample_that_the_graph_was_not_made_for(
    preparation: Preparation, row: np.ndarray, said: str
) -> None:
    good = np.full_like(row, 1)

    with pytest.raises(InputError, match=said):
        accept(preparation, np.stack([good, row]))


def test_lengths_have_limits() -> None:
    with pytest.raises(InputError, match="text of 9 tokens, more than 8"):
        accept(TEXT, np.full((1, 9), 5))
    with pytest.raises(InputError, match="recording of 3 s, longer than 2 s"):
        accept(AUDIO, np.zeros((1, 24_000), np.float32))
    with pytest.raises(InputError, match="without any sound"):
        accept(AUDIO, np.zeros((1, 0), np.float32))


@pytest.mark.parametrize(
    "samples",
    [np.zeros((1, 16, 16, 3)), np.zeros((16, 16, 3), np.uint8), np.zeros((1, 16, 16, 4), np.uint8)],
)
def test_another_dtype_or_shape_is_a_mistake_of_the_caller(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="was asked for"):
        accept(IMAGE, samples)
