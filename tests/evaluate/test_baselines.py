"""Baselines answer for every label, learn what is easy, and never peek at the test split."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.evaluate import baselines, features, majority, measure, simple

REAL = Path(__file__).resolve().parents[3] / "shared/data"
RNG = np.random.default_rng(0)


def stripes(n: int, size: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures with noise: across, upright, or slanted stripes."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n)
    y, x = np.mgrid[:size, :size]
    along = np.stack([y, x, x + y])[kind] + rng.integers(0, 8, n)[:, None, None]
    grey = 128 + 60 * np.sin(along * np.pi / 4) + rng.normal(0, 30, (n, size, size))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=3), kind


def tones(n: int, seed: int = 0, rate: int = 8000) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=n)
    time = np.arange(rate) / rate
    pitch = np.array([400, 1500])[kind] * rng.uniform(0.8, 1.2, n)
    sounds = [np.sin(2 * np.pi * hz * time)[None] + rng.normal(0, 1, (1, rate)) for hz in pitch]
    return [sound.astype(np.float32) for sound in sounds], kind


def words(n: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=n)
    sets = (["sun", "sea", "sand", "the", "a"], ["rain", "wind", "fog", "the", "a"])
    return [" ".join(rng.choice(sets[k], 6)) for k in kind], kind


MAKERS: Any = {"image": stripes, "audio": tones, "text": words}


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_a_simple_model_learns_what_is_easy(modality: Any) -> None:
    train, targets = MAKERS[modality](90)
    test, truth = MAKERS[modality](60, seed=1)
    labels = int(targets.max()) + 1

    said = simple(modality, train, targets, test, task="single", labels=labels, rate=8000)

    assert said.shape == (60, labels)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    assert (measure(said, truth)["accuracy"] or 0) > 0.9
    again = simple(modality, train, targets, test, task="single", labels=labels, rate=8000)
    assert (said == again).all()


def test_many_labels_get_a_model_each() -> None:
    train, kind = stripes(120)
    test, truth = stripes(60, seed=1)
    flags = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [1, 1, 0, 1]], dtype=np.int8)

    said = simple("image", train, flags[kind], test, task="multi", labels=4)

    assert (measure(said, flags[truth])["accuracy"] or 0) > 0.9
    assert (said[:, 2] == 0).all()  # nobody has it in training
    assert (said[:, 3] == 1).all()  # everybody has


def test_columns_stand_where_their_labels_do() -> None:
    train, kind = words(60)
    test, truth = words(40, seed=1)

    said = simple("text", train, np.array([1, 3])[kind], test, task="single", labels=5)

    assert (said[:, [0, 2, 4]] == 0).all()
    assert (said.argmax(axis=1) == np.array([1, 3])[truth]).mean() > 0.9


def test_one_class_in_training_is_all_that_is_known() -> None:
    train, kind = words(10)

    said = simple("text", train, np.ones_like(kind), train, task="single", labels=3)

    assert said.tolist() == [[0, 1, 0]] * 10


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_few_samples_are_enough(n: int) -> None:
    pictures, _ = stripes(n, size=8)

    said = simple("image", pictures, np.arange(n) % 2, pictures, task="single", labels=2)

    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)


def test_nothing_asked_is_nothing_answered() -> None:
    train, kind = words(10)

    assert simple("text", train, kind, [], task="single", labels=2).shape == (0, 2)


def test_the_answer_for_a_sample_does_not_depend_on_the_others_asked() -> None:
    train, kind = stripes(60)
    test, _ = stripes(20, seed=1)

    together = simple("image", train, kind, test, task="single", labels=3)
    alone = simple("image", train, kind, test[:1], task="single", labels=3)

    np.testing.assert_allclose(alone[0], together[0], atol=1e-5)


def test_a_script_without_blanks_has_no_words_but_is_learnt() -> None:
    def text(kind: int) -> str:
        return "".join(RNG.choice(list("雨風霧雲雷" if kind else "日海砂浜空"), 12))

    kind = np.arange(80) % 2
    said = simple("text", [text(k) for k in kind], kind, [text(k) for k in kind], task="single", labels=2)

    assert (said.argmax(axis=1) == kind).mean() > 0.9


def test_groups_stay_together_when_the_strength_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    train, kind = stripes(60)
    groups = np.repeat(np.arange(20), 3)
    fits: list[set[int]] = []
    original = baselines._answer
    known = features.compact(features.image_features(train), features.image_features(train))[0]

    def spy(rows: np.ndarray, *rest: Any) -> np.ndarray:
        fits.append({int(np.flatnonzero((known == row).all(axis=1))[0]) for row in rows})
        return original(rows, *rest)

    monkeypatch.setattr(baselines, "_answer", spy)
    simple("image", train, kind, train[:1], task="single", labels=3, groups=groups)

    assert len(fits) == 10  # 3 strengths × 3 folds, and the final fit on all
    for rows in fits:
        assert {row // 3 for row in rows}.isdisjoint({row // 3 for row in set(range(60)) - rows})
    assert len(fits[-1]) == 60


def test_the_majority_is_the_share_of_each_label() -> None:
    said = majority(np.array([2, 2, 0, 2]), 2, "single", 4)
    many = majority(np.array([[1, 0], [1, 1]]), 1, "multi", 2)

    assert said.tolist() == [[0.25, 0, 0.75, 0]] * 2
    assert many.tolist() == [[1.0, 0.5]]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one target per training sample, got 1 for 2"):
        simple("text", ["a", "b"], np.array([0]), ["c"], task="single", labels=2)
    with pytest.raises(ValueError, match="sounds need a rate"):
        simple("audio", [np.zeros((1, 9))], np.array([0]), [np.zeros((1, 9))], task="single", labels=2)


def test_gradients_vote_for_their_direction() -> None:
    upright = np.zeros((1, 16, 16))
    upright[:, :, 8:] = 1  # brightness changes to the right: direction 0

    histogram = features.oriented_gradients(upright, cells=2).reshape(4, 9)
    turned = features.oriented_gradients(upright.transpose(0, 2, 1), cells=2).reshape(4, 9)

    assert histogram.shape == (4, 9)
    np.testing.assert_allclose(features.oriented_gradients(1 - upright, cells=2).reshape(4, 9), histogram)
    assert (histogram.argmax(axis=1) == 0).all()
    assert histogram[:, 1:].max() == 0
    # straight down is 90 degrees: halfway between the directions of 80 and 100 degrees
    assert set(np.flatnonzero(turned.sum(axis=0)).tolist()) == {4, 5}
    np.testing.assert_allclose(turned[:, 4], turned[:, 5])


def test_shrinking_takes_means() -> None:
    picture = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)

    assert features.shrink(picture, 2)[0, :, :, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert features.shrink(picture, 8).shape == (1, 4, 4, 1)
    assert features.shrink(np.ones((1, 7, 5, 3), np.float32), 3).tolist() == np.ones((1, 3, 3, 3)).tolist()


def test_colours_are_shares_of_pixels() -> None:
    half_red = np.zeros((1, 2, 2, 3))
    half_red[0, 0, :, 0] = 1.0

    shares = features.colours(half_red, levels=2)[0] ** 2

    assert shares[0] == pytest.approx(0.5)  # black
    assert shares[4] == pytest.approx(0.5)  # red
    assert shares.sum() == pytest.approx(1)


def test_mel_bands_are_those_of_transformers() -> None:
    audio_utils = pytest.importorskip("transformers.audio_utils")

    theirs = audio_utils.mel_filter_bank(513, 40, 0.0, 8000.0, 16000, norm=None, mel_scale="htk")

    np.testing.assert_allclose(features.mel_bands(16000, 1024), theirs, atol=1e-4)


def test_padding_changes_nothing_and_short_or_silent_sounds_are_sounds() -> None:
    sound = RNG.normal(size=(1, 8192)).astype(np.float32)
    padded = np.pad(sound, ((0, 0), (0, 8192)))

    plain, longer = features.audio_features([sound, padded], 8000)[:, :40]
    odd = features.audio_features([np.zeros((2, 4000)), np.ones((1, 10))], 8000)

    np.testing.assert_allclose(plain, longer, atol=0.2)
    assert np.isfinite(odd).all()


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="no real data beside the checkout")
def test_words_tell_real_machine_texts_from_human_ones_better_than_chance() -> None:
    with (REAL / "ai_text/texts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:1200]
    groups = np.array([row["group"] for row in rows])
    targets = np.array([row["label"] == "human" for row in rows]).astype(int)
    names = np.unique(groups)
    test = np.isin(groups, names[::4])
    texts = np.array([row["text"] for row in rows], dtype=object)

    said = simple(
        "text", texts[~test], targets[~test], texts[test], task="single", labels=2, groups=groups[~test]
    )

    assert (measure(said, targets[test])["accuracy"] or 0) > 0.6


@pytest.mark.parametrize("task", ["single", "multi"])
def test_with_hundreds_of_labels_the_nearest_samples_vote(task: Any) -> None:
    texts = [f"word{number} word{number} and some more" for number in range(300) for _ in range(3)]
    targets = np.repeat(np.arange(300), 3)
    truth = targets if task == "single" else np.eye(300, dtype=np.int8)[targets]

    said = simple("text", texts, truth, texts[::3], task=task, labels=300)

    assert (said.argmax(axis=1) == np.arange(300)).mean() > 0.99
    assert said.min() > 0
    if task == "single":
        assert said.sum(axis=1) == pytest.approx(1)
