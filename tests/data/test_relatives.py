"""Near pictures, texts and recordings come together; blank ones and mere strangers do not."""

import io
from typing import Any

import numpy as np
import pyarrow
import pytest
from imagehash import phash
from PIL import Image, ImageEnhance

from holdfast.core.media import Modality
from holdfast.data import signatures as sign
from holdfast.data.relatives import heads, near_groups, united


def table(modality: Modality, *signatures: dict[str, Any]) -> pyarrow.Table:
    return sign.rows_of({f"{place:04}": one for place, one in enumerate(signatures)}, modality)


def photo(seed: int, side: int = 200) -> Image.Image:
    """Blots of chance colours, smooth as photographs are."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


@pytest.mark.parametrize(
    "copy",
    [
        as_jpeg(photo(0), 40),
        photo(0).resize((90, 90), Image.Resampling.LANCZOS),
        ImageEnhance.Brightness(photo(0)).enhance(0.8),
        photo(0).convert("L").convert("RGB"),
    ],
    ids=["jpeg", "smaller", "darker", "grey"],
)
def test_a_copy_of_a_picture_is_near(copy: Image.Image) -> None:
    near = near_groups("image", table("image", *map(sign.picture, (photo(1), photo(0), copy))))

    assert near.groups.tolist() == [0, 1, 1]


def test_other_pictures_are_not_near() -> None:
    near = near_groups("image", table("image", *(sign.picture(photo(seed)) for seed in range(60))))

    assert near.groups.tolist() == list(range(60))


def test_blank_pictures_are_near_to_nothing_and_equal_ones_are_one() -> None:
    shown = [Image.new("RGB", (50, 50), "white"), photo(0), Image.new("RGB", (60, 60), "white"), photo(0)]

    near = near_groups("image", table("image", *map(sign.picture, shown)))

    assert near.groups.tolist() == [0, 1, 2, 1]
    assert near_groups("image", table("image", *map(sign.picture, shown)).slice(1)).groups.tolist() == [
        0,
        1,
        0,
    ]


def test_nothing_but_blank_pictures_is_no_trouble() -> None:
    blank = sign.picture(Image.new("RGB", (9, 9)))

    assert near_groups("image", table("image", *[blank] * 5)).groups.tolist() == [0, 1, 2, 3, 4]
    assert near_groups("image", table("image")).groups.tolist() == []


def test_the_hash_is_that_of_imagehash() -> None:
    assert f"{sign.picture(photo(3))['hash']:016x}" == str(phash(photo(3)))


def words(seed: int, count: int = 150) -> list[str]:
    return [f"w{n}" for n in np.random.default_rng(seed).integers(0, 2000, count)]


def test_a_text_with_few_other_words_is_near() -> None:
    changed = words(0)
    changed[40:43] = ["some", "other", "words"]
    texts = [words(1), words(0), changed, [word.upper() + "," for word in words(0)]]

    near = near_groups("text", table("text", *(sign.text(" ".join(text)) for text in texts)))

    assert near.groups.tolist() == [0, 1, 1, 1]


def test_texts_of_which_a_third_is_shared_are_not_near() -> None:
    pairs = [(words(seed), [*words(seed)[:75], *words(100 + seed)[:75]]) for seed in range(40)]

    near = near_groups("text", table("text", *(sign.text(" ".join(text)) for pair in pairs for text in pair)))

    assert near.groups.tolist() == list(range(80))


def test_texts_that_begin_alike_are_told_by_their_first_words() -> None:
    texts = [
        " ".join(text)
        for text in (words(0)[:12] + words(1), words(0)[:12] + words(2), words(0)[:11], words(3))
    ]
    texts.append(texts[2])  # too short to tell

    assert heads(table("text", *map(sign.text, texts))).tolist() == [0, 0, 2, 3, 4]


def test_loudness_and_silence_of_a_recording() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000) * np.r_[np.ones(4000), np.zeros(4000)]

    found = sign.sound(tone.astype(np.float32), 8000)

    assert found["loudness"] == pytest.approx(10 * np.log10(0.25), abs=0.01)
    assert found["silence"] == 0.5


def test_recordings_are_compared_by_their_landmarks_also_in_parts_of_a_table() -> None:
    generator = np.random.default_rng(0)
    landmarks = [generator.integers(0, 2**22, (20, 2), dtype=np.uint32) for _ in range(2)]
    kept = [{"marks": landmarks[n].tobytes(), "loudness": 0.0, "silence": 0.0} for n in (0, 1, 0)]
    empty = {**kept[0], "marks": b""}

    parts = pyarrow.concat_tables([table("audio", kept[0], empty), table("audio", kept[1], kept[2])])

    assert near_groups("audio", parts).groups.tolist() == [0, 1, 2, 0]
    assert near_groups("audio", parts.slice(2)).groups.tolist() == [0, 1]
    assert near_groups("audio", table("audio")).groups.tolist() == []


def test_groups_are_united_where_they_overlap() -> None:
    patients, copies = np.array([9, 9, 4, 5, 5]), np.array([0, 1, 1, 2, 3])

    assert united(patients, copies).tolist() == [0, 0, 0, 3, 3]
