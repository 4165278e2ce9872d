"""Two samples made one: mixed through and through, or one pasted into the other, targets in proportion.

The partner of a sample is the one before it in the batch. All draws are functions of the batch's key.
"""

from dataclasses import dataclass

import numpy as np

from holdfast.config.schema import AugmentConfig
from holdfast.core.errors import ConfigError
from holdfast.core.media import Modality
from holdfast.train.augment import stripe


@dataclass(frozen=True)
class Mix:
    """How each sample of a batch is mixed with its partner.

    Attributes:
        pasted: whether a piece of the partner is pasted in (CutMix, Yun et al. 2019), instead of a
            weighted sum of both (mixup, Zhang et al. 2018).
        weights: how much of the sample itself stays, shape (n,).
        corners: where the piece lies, from 0 to 1, shape (n, 2).
    """

    pasted: bool
    weights: np.ndarray
    corners: np.ndarray

    def part(self, rows: slice | np.ndarray) -> "Mix":
        """That of some of the samples."""
        return Mix(self.pasted, self.weights[rows], self.corners[rows])


def draw_mix(config: AugmentConfig, size: int, *, key: tuple[int, ...]) -> Mix | None:
    """How a batch of `size` samples is mixed; None where mixing is off, one way by chance where both are on.

    >>> draw_mix(AugmentConfig(mixup=0.2), 2, key=(0, 1)).weights.round(2)
    array([0.91, 0.  ])
    """
    alphas = {False: config.mixup, True: config.cutmix}
    ways = [pasted for pasted, alpha in alphas.items() if alpha]
    if not ways:
        return None
    rng = np.random.default_rng(key)
    pasted = ways[int(rng.integers(len(ways)))]
    weights = rng.beta(alphas[pasted], alphas[pasted], size)
    return Mix(pasted, weights, rng.random((size, 2)))


def mix_batch(
    inputs: np.ndarray, partners: np.ndarray, mix: Mix, modality: Modality, *, pad: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Mixed inputs, and how much of each comes from the sample itself, shape (n,).

    Args:
        inputs: decoded samples as the graph takes them.
        partners: as many, of the same shape.
        mix: for each of them.
        pad: for texts, the token id that fills up a batch.

    Raises:
        ConfigError: for a weighted sum of texts, as half a token is none.
    """
    if modality == "image":
        return (_paste_images if mix.pasted else _blend_images)(inputs, partners, mix)
    if modality == "audio":
        return (_paste_sounds if mix.pasted else _blend_sounds)(inputs, partners, mix)
    if not mix.pasted:
        raise ConfigError("augment.mixup: texts have no weighted sum", hint="for texts use augment.cutmix")
    return _paste_texts(inputs, partners, mix, pad)


def mix_shares(shares: np.ndarray, partners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Targets of shape (n, labels) in the proportion in which the samples were mixed."""
    own = weights.astype(np.float32)[:, None]
    mixed: np.ndarray = own * shares + (1 - own) * partners
    return mixed


def _blend_images(pixels: np.ndarray, partners: np.ndarray, mix: Mix) -> tuple[np.ndarray, np.ndarray]:
    # in steps of 1/256, so that bytes can be summed as small whole numbers: half the time of floats
    steps = np.rint(mix.weights * 256).astype(np.uint16)
    own = steps[:, None, None, None]
    blended = (pixels * own + partners * (256 - own) + np.uint16(128)) >> np.uint16(8)
    return blended.astype(np.uint8), steps / 256


def _paste_images(pixels: np.ndarray, partners: np.ndarray, mix: Mix) -> tuple[np.ndarray, np.ndarray]:
    side = np.sqrt(1 - mix.weights)
    rows = stripe(pixels.shape[1], side, mix.corners[:, 0])
    columns = stripe(pixels.shape[2], side, mix.corners[:, 1])
    foreign = rows[:, :, None] & columns[:, None, :]
    return np.where(foreign[..., None], partners, pixels), 1 - foreign.mean(axis=(1, 2))


def _blend_sounds(sounds: np.ndarray, partners: np.ndarray, mix: Mix) -> tuple[np.ndarray, np.ndarray]:
    """The partner as loud as the sample itself: else the louder one would be all that is heard."""
    louder = (_loudness(sounds) + 1e-9) / (_loudness(partners) + 1e-9)
    own = mix.weights.astype(np.float32)[:, None]
    return own * sounds + (1 - own) * louder * partners, mix.weights


def _paste_sounds(sounds: np.ndarray, partners: np.ndarray, mix: Mix) -> tuple[np.ndarray, np.ndarray]:
    foreign = stripe(sounds.shape[1], 1 - mix.weights, mix.corners[:, 0])
    return np.where(foreign, partners, sounds), 1 - foreign.mean(axis=1)


def _loudness(sounds: np.ndarray) -> np.ndarray:
    root: np.ndarray = np.sqrt(np.square(sounds).mean(axis=1, keepdims=True))
    return root


def _paste_texts(ids: np.ndarray, partners: np.ndarray, mix: Mix, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """The beginning of the sample, then what its partner says from that place on."""
    kept = np.ceil(mix.weights * (ids != pad).sum(axis=1))[:, None]
    own = np.arange(ids.shape[1]) < kept
    pasted = np.where(own, ids, partners)
    there = pasted != pad
    return pasted, (there & own).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
