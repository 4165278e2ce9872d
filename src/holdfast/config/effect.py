"""Which settings do nothing in a configuration, because what they are for is not in it."""

from collections.abc import Iterable
from typing import Any

from holdfast.config.schema import Config

_OUR_NETS = ("resnet_small", "mel_cnn_small", "mel_transformer_small", "text_small", "text_ngrams")
_IMAGE = (("prepare.modality", ("image",)),)
_AUDIO = (("prepare.modality", ("audio",)),)
_TEXT = (("prepare.modality", ("text",)),)
_MEL = (("model.name", ("mel_cnn_small", "mel_transformer_small")),)
_RESNET = (("model.name", ("resnet_small",)),)
_HF = (("model.name", ("hf",)),)
_LORA = (("model.tune", ("lora",)),)

_ON: tuple[object, ...] = ()
"""Stands for any value but 0 and null."""

_READ: dict[str, tuple[tuple[str, tuple[object, ...]], ...]] = {
    **dict.fromkeys(("model.width", "model.depth"), (("model.name", _OUR_NETS),)),
    "model.side": _IMAGE,
    **dict.fromkeys(("model.cells", "model.drop_path", "augment.first_side"), _RESNET),
    **dict.fromkeys(("model.revision", "model.fresh", "model.pool"), _HF),
    "model.thaw_by": (("model.tune", ("gradual",)),),
    **dict.fromkeys(("model.lora_rank", "model.lora_alpha", "model.lora_targets"), _LORA),
    **dict.fromkeys(
        tuple(f"augment.{name}" for name in ("flip", "scale", "color", "erase", "crop", "operations")), _IMAGE
    ),
    "augment.strength": (("augment.operations", _ON),),
    "augment.shift": (("prepare.modality", ("image", "audio")),),
    **dict.fromkeys(
        tuple(
            f"augment.{name}"
            for name in ("gain_db", "trim", "backdrop", "mask_freq", "mask_time", "mix_spectra")
        ),
        _AUDIO,
    ),
    **dict.fromkeys(
        tuple(f"augment.{name}" for name in ("noise_db", "eq_db", "muffle", "pitch", "stretch")), _MEL
    ),
    "augment.drop_tokens": _TEXT,
    **dict.fromkeys(
        tuple(f"prepare.{name}" for name in ("n_fft", "hop", "mels", "f_min", "f_max")),
        (*_MEL, ("prepare.min_rms", _ON), ("prepare.min_mel_std", _ON)),
    ),
    "prepare.vocab": (("prepare.tokenizer", (None,)),),
    "optim.momentum": (("optim.name", ("sgd",)),),
}
"""Setting → the settings that decide whether it is read, and with which of their values; any of them will do.

What is not here is always read.
"""


def without_effect(config: Config, keys: Iterable[str]) -> list[str]:
    """Of these settings, those that nothing reads in this configuration, and why.

    >>> without_effect(Config(), ["augment.drop_tokens", "augment.flip"])
    ['augment.drop_tokens has no effect: it needs prepare.modality=text, but that is image']
    """
    found = []
    for key in keys:
        needs = _READ.get(key, ())
        if not needs or any(_holds(_value(config, decider), values) for decider, values in needs):
            continue
        decider, _ = needs[0]
        asked = " or ".join(_asked(*need) for need in needs)
        found.append(f"{key} has no effect: it needs {asked}, but that is {_value(config, decider)}")
    return found


def deciders(key: str) -> list[str]:
    """The settings that decide whether this one is read."""
    return [decider for decider, _ in _READ.get(key, ())]


def _holds(value: Any, values: tuple[object, ...]) -> bool:
    return value in values if values else bool(value)


def _asked(decider: str, values: tuple[object, ...]) -> str:
    if not values:
        return f"{decider} above 0"
    return f"{decider}={'|'.join('null' if value is None else str(value) for value in values)}"


def _value(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)  # another modality has other settings
    return value
