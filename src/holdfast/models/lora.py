"""Small trainable matrices beside frozen layers (LoRA, Hu et al. 2021), through peft."""

import warnings
from typing import Any

from torch import nn

from holdfast.config.schema import ModelConfig
from holdfast.core.errors import ConfigError
from holdfast.models.classifier import Classifier


def add_adapters(network: Any, config: ModelConfig) -> Any:
    """The network with matrices beside its layers; all else is frozen. It answers as before, until it learns.

    Raises:
        ConfigError: if a target names no layer, or peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise ConfigError("model.tune: lora needs peft", hint="pip install 'holdfast[hf]'") from None
    targets = _targets(network, config.lora_targets)
    adapters = LoraConfig(r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that it gave up
        adapted = get_peft_model(network, adapters)
    adapted.main_input_name = network.main_input_name
    return adapted


def merged(model: Classifier) -> Classifier:
    """The same network with its matrices added to the layers that they stand beside, for export.

    A network without any stays as it is.
    """
    network: Any = getattr(model.body, "network", None)
    if hasattr(network, "merge_and_unload"):
        model.body.network = network.merge_and_unload()
    return model


def _targets(network: nn.Module, wanted: tuple[str, ...]) -> list[str]:
    """Full names of layers: those that end as wanted, or all linear layers, or all convolutions."""
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    if not wanted:
        return linear or convolutions
    layers = linear + convolutions
    for end in wanted:
        if not any(f".{name}".endswith(f".{end}") for name in layers):
            ends = sorted({name.rsplit(".", 1)[-1] for name in layers})
            raise ConfigError(
                f"model.lora_targets: no layer is named {end!r}", hint=f"layers end in: {', '.join(ends)}"
            )
    return [name for name in layers if any(f".{name}".endswith(f".{end}") for end in wanted)]
