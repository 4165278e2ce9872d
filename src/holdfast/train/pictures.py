"""Changes to pictures that keep their label, a batch at a time: one resampling, then colours, then a cover.

Crop, mirror image, zoom, shift and whatever operations move pixels are multiplied into one matrix for each
picture, so that pixels are interpolated once. As in `train/augment.py`, all chance comes in as rolls.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from holdfast.config.schema import AugmentConfig, Config, ImagePrepare
from holdfast.train.augment import stripe

GREY = 128
_GROWN = 0.6
"""Share of the epochs after which pictures are as large as they get."""
_FIXED_ROLLS = 13
_ROLLS_PER_OPERATION = 2
_NARROWEST = 3 / 4
"""A crop is at most this much narrower, or lower, than the picture that it is cut from."""

_Operation = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From pictures, shape (k, 3, h, w), 0 to 255, strengths in [0, 1) and directions, -1 or 1, (k, 1, 1, 1)."""


def side_of(config: Config, epoch: int) -> int:
    """Pixels on each side of the pictures of an epoch, counted from 0; 0 for what is no picture.

    >>> from holdfast.config.schema import TrainConfig
    >>> config = Config(augment=AugmentConfig(first_side=32), train=TrainConfig(epochs=5))
    >>> [side_of(config, epoch) for epoch in range(5)]
    [32, 40, 48, 64, 64]
    """
    if not isinstance(config.prepare, ImagePrepare):
        return 0
    last = config.model.side or config.prepare.size
    passed = epoch / (_GROWN * config.train.epochs)
    first = config.augment.first_side or last
    return last if passed >= 1 or first >= last else int(first + (last - first) * passed) // 8 * 8


def rolls_needed(config: AugmentConfig) -> int:
    """Columns of rolls that `change_pictures` asks for."""
    return _FIXED_ROLLS + _ROLLS_PER_OPERATION * config.operations


def change_pictures(
    pixels: np.ndarray, config: AugmentConfig, rolls: np.ndarray, side: int = 0
) -> np.ndarray:
    """Pictures cropped, mirrored, moved, turned, coloured otherwise and partly covered.

    Args:
        pixels: uint8 of shape (n, height, width, 3).
        config: how much of each.
        rolls: shape (n, `rolls_needed(config)`), 0 to 1.
        side: pixels on each side of the answer; 0 leaves the shape as it is.

    Returns:
        uint8 of shape (n, side, side, 3).

    >>> black = np.zeros((2, 32, 32, 3), np.uint8)
    >>> change_pictures(black, AugmentConfig(crop=0.5), np.full((2, 13), 0.5), side=24).shape
    (2, 24, 24, 3)
    """
    chosen, strength, direction = _operations(config, rolls[:, _FIXED_ROLLS:])
    moves = _moves(config, rolls)
    for slot in range(config.operations):
        moves = moves @ _turns(chosen[:, slot], (strength * direction)[:, slot])
    height, width = (side, side) if side else pixels.shape[1:3]
    is_moved = (height, width) != pixels.shape[1:3] or (moves != np.eye(3)).any()
    if not (is_moved or config.color or config.operations):
        return _covered(pixels, config.erase, rolls[:, 6:9]) if config.erase else pixels
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    if is_moved:
        pictures = _resampled(pictures.contiguous(), moves, height, width)
    if config.color:
        pictures = _lit(pictures, config.color * (2 * rolls[:, 4:6] - 1))
    for slot in range(config.operations):
        pictures = _coloured(pictures, chosen[:, slot], strength[:, slot], direction[:, slot])
    changed = (pictures + 0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return _covered(changed, config.erase, rolls[:, 6:9]) if config.erase else np.ascontiguousarray(changed)


def _operations(config: AugmentConfig, rolls: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number, strength and direction of each operation on each picture, all of shape (n, operations).

    One roll is for the number and, by what is left of it, for the direction; the other for the strength.
    """
    places = rolls[:, ::_ROLLS_PER_OPERATION] * len(OPERATIONS)
    chosen = places.astype(int)
    direction = np.where(places - chosen < 0.5, -1.0, 1.0)
    return chosen, config.strength * rolls[:, 1::_ROLLS_PER_OPERATION], direction


def _moves(config: AugmentConfig, rolls: np.ndarray) -> np.ndarray:
    """Matrices of shape (n, 3, 3) from places in the changed picture to places in the old one.

    Places run from -1 to 1, from edge to edge, to the right and down.
    """
    zoom = 1 / (1 + config.scale * (2 * rolls[:, 1] - 1))
    down, right = (-2 * config.shift * (2 * rolls[:, column] - 1) for column in (2, 3))
    area = config.crop + (1 - config.crop) * rolls[:, 9]
    narrow = np.exp(np.log(_NARROWEST) * (2 * rolls[:, 10] - 1) / 2) if config.crop < 1 else 1.0
    wide, high = np.minimum(np.sqrt(area) * narrow, 1), np.minimum(np.sqrt(area) / narrow, 1)
    mirror = np.where(rolls[:, 0] < config.flip, -1.0, 1.0)
    moves = np.zeros((len(rolls), 3, 3))
    moves[:, 0, 0], moves[:, 1, 1], moves[:, 2, 2] = mirror * zoom * wide, zoom * high, 1
    moves[:, 0, 2] = right + (1 - wide) * (2 * rolls[:, 11] - 1)
    moves[:, 1, 2] = down + (1 - high) * (2 * rolls[:, 12] - 1)
    return moves


def _turns(chosen: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Matrices of one operation for each picture; the unit matrix where it moves no pixel."""
    turns = np.tile(np.eye(3), (len(chosen), 1, 1))
    for row, column, largest, name in _SLIDES:
        where = chosen == OPERATIONS.index(name)
        turns[where, row, column] = largest * amount[where]
    where = chosen == OPERATIONS.index("rotate")
    angle = _LARGEST_TURN * amount[where]
    turns[where, 0, 0], turns[where, 0, 1] = np.cos(angle), -np.sin(angle)
    turns[where, 1, 0], turns[where, 1, 1] = np.sin(angle), np.cos(angle)
    return turns


_LARGEST_TURN = np.radians(30)
_SLIDES = (
    (0, 1, 0.3, "shear_x"),
    (1, 0, 0.3, "shear_y"),
    (0, 2, 0.6, "translate_x"),
    (1, 2, 0.6, "translate_y"),
)
"""Place in the matrix, largest value and name; a picture is 2 wide, so 0.6 is 30 % of its side."""


def _resampled(pictures: Tensor, moves: np.ndarray, height: int, width: int) -> Tensor:
    """Bilinear; beyond its edges a picture goes on as its own mirror image."""
    matrices = torch.from_numpy(moves[:, :2]).float()
    grid = F.affine_grid(matrices, [len(pictures), 3, height, width], align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    return (
        moved.round_()
    )  # an even grey stays one: operations with thresholds would make a pattern of 76.9999


def _lit(pictures: Tensor, amounts: np.ndarray) -> Tensor:
    """Brightness changed by a share of full white and contrast by a share of itself; amounts: (n, 2)."""
    lighter, stronger = torch.from_numpy(amounts).float().view(-1, 2, 1, 1, 1).unbind(1)
    means = pictures.mean(dim=(1, 2, 3), keepdim=True)
    return ((pictures - means) * (1 + stronger) + means + 255 * lighter).clamp_(0, 255)


def _coloured(pictures: Tensor, chosen: np.ndarray, strength: np.ndarray, direction: np.ndarray) -> Tensor:
    """One operation on each picture; those that move pixels, and `identity`, leave the colours alone."""
    answer = pictures.clone()
    for name, operation in _COLOURS.items():
        rows = np.flatnonzero(chosen == OPERATIONS.index(name))
        if len(rows):
            amounts = [
                torch.from_numpy(values[rows]).float().view(-1, 1, 1, 1) for values in (strength, direction)
            ]
            answer[torch.from_numpy(rows)] = operation(pictures[torch.from_numpy(rows)], *amounts).clamp_(
                0, 255
            )
    return answer


def _brightness(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:
    return pictures * _factor(strength, direction)


def _contrast(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:
    means = _greys(pictures).mean(dim=(2, 3), keepdim=True)
    return means + (pictures - means) * _factor(strength, direction)


def _saturation(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:
    greys = _greys(pictures)
    return greys + (pictures - greys) * _factor(strength, direction)


def _sharpness(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:
    """Away from, or towards, a mean over 3 × 3 pixels in which the middle counts five times."""
    around = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    blurred = (9 * around + 4 * pictures) / 13
    return blurred + (pictures - blurred) * _factor(strength, direction)


def _posterize(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:  # noqa: ARG001
    """Up to four of the eight bits of each value are lost."""
    step = 2 ** (4 * strength).round()
    return (pictures / step).floor() * step


def _solarize(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:  # noqa: ARG001
    """What is brighter than a threshold is turned into its negative."""
    return torch.where(pictures < 256 * (1 - strength), pictures, 255 - pictures)


def _autocontrast(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:  # noqa: ARG001
    """Each channel is stretched to go from 0 to 255."""
    low, high = pictures.amin(dim=(2, 3), keepdim=True), pictures.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (pictures - low) * (255 / (high - low).clamp(min=1)), pictures)


def _equalize(pictures: Tensor, strength: Tensor, direction: Tensor) -> Tensor:  # noqa: ARG001
    """Each value of a channel becomes the share of pixels below it, and half of those equal to it."""
    values = pictures.clamp(0, 255).to(torch.int64).flatten(2)
    counts = torch.zeros(*values.shape[:2], 256).scatter_add_(2, values, torch.ones(values.shape))
    below = counts.cumsum(2) - counts / 2
    return (below.gather(2, values) * (255 / values.shape[2])).view_as(pictures)


def _factor(strength: Tensor, direction: Tensor) -> Tensor:
    return 1 + 0.9 * strength * direction


def _greys(pictures: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (pictures * weights).sum(dim=1, keepdim=True)


_COLOURS: dict[str, _Operation] = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "solarize": _solarize,
    "saturation": _saturation,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
}
OPERATIONS = ("identity", "rotate", *(name for _, _, _, name in _SLIDES), *_COLOURS)
"""What `augment.operations` draws from: the fourteen of RandAugment (Cubuk et al. 2019)."""


def _covered(pixels: np.ndarray, share: float, rolls: np.ndarray) -> np.ndarray:
    """A grey square of at most that share of each picture, wholly inside (Zhong et al. 2017)."""
    side = np.sqrt(share * rolls[:, 0])
    rows = stripe(pixels.shape[1], side, rolls[:, 1])
    columns = stripe(pixels.shape[2], side, rolls[:, 2])
    return np.where((rows[:, :, None] & columns[:, None, :])[..., None], np.uint8(GREY), pixels)
