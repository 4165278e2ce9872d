"""Networks of Hugging Face transformers as the body of a classifier, pretrained or with fresh weights.

The hub's format is read, never its code: weights are safetensors, and `trust_remote_code` is off. What an
architecture wants of its input is in the front; what the labels and the loss are is ours.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.config.schema import AudioPrepare, ImagePrepare, ModelConfig, Prepare, TextPrepare
from holdfast.core.errors import ConfigError
from holdfast.models.classifier import Classifier
from holdfast.models.fronts import ImageFront, KaldiFront, WaveFront
from holdfast.models.pretrained import PREPROCESSOR, Pretrained, find_pretrained

_INPUTS = {"pixel_values": "image", "input_values": "audio", "input_ids": "text"}
_SPECTROGRAM = "audio-spectrogram-transformer"
_OFFSET = ("roberta", "xlm-roberta", "camembert")
"""Architectures that count places from the padding id on."""


def build(
    config: ModelConfig, prepare: Prepare, labels: int, vocab: int | None = None, pad: int = 0
) -> Classifier:
    """The network of `config.source` as a body, with a fresh head for the labels.

    Raises:
        ConfigError: if the source cannot be had, is for another modality, lacks weights of a layer, or
            does not fit what samples are prepared to.
    """
    found = find_pretrained(config)
    settings = _settings(found, prepare, vocab, pad, config.side)
    network = _fresh(settings, found) if config.fresh else _loaded(settings, found)
    _check(network, found, prepare, vocab, pad, config.side)
    width = (getattr(settings, "hidden_sizes", None) or [settings.hidden_size])[-1]
    pool = _pool(config, network)
    if pool != "pooled" and _has_weights(getattr(network, "pooler", None)):
        network.pooler = None  # nobody would look at it
    if config.tune == "lora":
        from holdfast.models.lora import add_adapters

        network = add_adapters(network, config)
    front = _front(found, network, prepare, config.side)
    body = Body(network, pool, pad)
    if config.tune == "head":
        body.requires_grad_(False)
    # transformers gives networks in evaluation, ours begin in training
    return Classifier(front, body, width=width, labels=labels, dropout=config.dropout).train()


class Body(nn.Module):
    """A network of transformers: from what its front gives to embeddings of shape (n, width).

    Args:
        network: gives `last_hidden_state`, of shape (n, tokens, width) unless `pool` is "pooled".
        pool: how one embedding is made: of the "first" token, the "mean" of all, or as the network
            itself "pooled" it.
        pad: the token id that fills up texts; nothing looks at it.
    """

    def __init__(self, network: nn.Module, pool: str, pad: int) -> None:
        super().__init__()
        self.network = network
        self.takes: str = network.main_input_name  # type: ignore[assignment]
        self.pool, self.pad = pool, pad

    def forward(self, features: Tensor) -> Tensor:
        """The embedding of each sample."""
        if self.takes == "input_values" and features.ndim == 4:
            features = features.squeeze(1).transpose(1, 2)  # a spectrum: transformers wants frames first
        given, there = {self.takes: features}, None
        if self.takes == "input_ids":
            there = self._there(features)
            given["attention_mask"] = there.long()
        found = self.network(**given)
        if self.pool == "pooled":
            pooled: Tensor = found.pooler_output.flatten(1)
            return pooled
        states: Tensor = found.last_hidden_state
        return states[:, 0] if self.pool == "first" else _mean(states, there)

    def _there(self, ids: Tensor) -> Tensor:
        """Where tokens are. The first place counts as one, so that no text is without any."""
        there = ids != self.pad
        return torch.cat([torch.ones_like(there[:, :1]), there[:, 1:]], dim=1)

    def train(self, mode: bool = True) -> "Body":
        """What is frozen stays in evaluation: it neither drops out nor counts new means for its norms."""
        super().train(mode)
        if mode:
            for module in self.modules():
                weights = list(module.parameters())
                if weights and not any(weight.requires_grad for weight in weights):
                    module.eval()
        return self

    def layers(self) -> list[list[nn.Parameter]]:
        """All weights in groups, from the top: each of the network's layers, and at last what is below them.

        What comes after the last layer belongs to it.
        """
        stack = max(
            (module for module in self.network.modules() if isinstance(module, nn.ModuleList)),
            key=lambda module: sum(weight.numel() for weight in module.parameters()),
        )
        number_of = {id(w): n for n, layer in enumerate(stack) for w in layer.parameters()}
        groups: list[list[nn.Parameter]] = [[] for _ in range(len(stack) + 1)]
        above = -1
        for weight in self.network.parameters():  # in the order in which they are used
            above = number_of.get(id(weight), len(stack) - 1 if above >= 0 else -1)
            groups[above + 1].append(weight)
        return groups[::-1]


def _mean(states: Tensor, there: Tensor | None) -> Tensor:
    if there is None:
        return states.mean(dim=1)
    counts = there.unsqueeze(2).to(states.dtype)
    return (states * counts).sum(dim=1) / counts.sum(dim=1)


def _settings(found: Pretrained, prepare: Prepare, vocab: int | None, pad: int, side: int) -> Any:
    """The architecture's own configuration."""
    from transformers import CONFIG_MAPPING, AutoConfig

    try:
        if found.folder is None:
            settings = CONFIG_MAPPING[found.source]()
        else:
            settings = AutoConfig.from_pretrained(
                found.folder, trust_remote_code=False, local_files_only=True
            )
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(
            f"model.source: {found.source!r} is of no architecture that transformers has "
            f"({str(error).strip().splitlines()[0]})",
            hint="networks that bring their own code are not run; take another one",
        ) from None
    if getattr(settings, "is_encoder_decoder", False):
        raise ConfigError(
            f"model.source: {found.source!r} ({settings.model_type}) writes sequences, it makes no embedding",
            hint="take an encoder",
        )
    # Its masks are drawn from numbers that are not ours to repeat; we mask in `augment`
    for name in ("mask_time_prob", "mask_feature_prob", "layerdrop"):
        if hasattr(settings, name):
            setattr(settings, name, 0.0)
    if found.fresh and isinstance(prepare, TextPrepare):
        settings.vocab_size, settings.pad_token_id = vocab, pad
    if found.fresh and isinstance(prepare, ImagePrepare) and hasattr(settings, "image_size"):
        settings.image_size = side or prepare.size
    return settings


def _fresh(settings: Any, found: Pretrained) -> Any:
    from transformers import AutoModel

    with _quiet():
        try:
            return AutoModel.from_config(settings, trust_remote_code=False)
        except ValueError as error:
            raise _unusable(found, error) from None


def _loaded(settings: Any, found: Pretrained) -> Any:
    """The network with its weights; a layer without any is an error."""
    from safetensors import SafetensorError
    from transformers import AutoModel

    with _quiet():
        try:
            network, told = AutoModel.from_pretrained(
                found.folder,
                config=settings,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
            )
        except (ValueError, OSError, RuntimeError, SafetensorError) as error:
            raise _unusable(found, error) from None
    problems = {
        "no weights for": [name for name in told["missing_keys"] if not name.startswith("pooler.")],
        "weights of another shape for": [str(entry[0]) for entry in told["mismatched_keys"]],
        "weights that its config.json has no place for:": _of_body(told["unexpected_keys"], network),
    }
    wrong = [f"{what} {_some(names)}" for what, names in problems.items() if names]
    if wrong:
        raise ConfigError(
            f"model.source: {found.source!r} is not whole: it has {'; '.join(wrong)}",
            hint="its config.json and its weights do not belong together; fetch it again",
        )
    return network


def _of_body(names: Sequence[str], network: Any) -> list[str]:
    """Those of surplus weights that belong to layers of the body, not to a head that we do not need."""
    parts = {name for name, _ in network.named_children()} - {"pooler"}
    bare = [name.removeprefix(f"{network.base_model_prefix}.") for name in names]
    return [name for name in bare if name.split(".")[0] in parts]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _check(network: Any, found: Pretrained, prepare: Prepare, vocab: int | None, pad: int, side: int) -> None:
    settings, problems = network.config, []
    modality = _INPUTS.get(network.main_input_name)
    if modality != prepare.modality:
        raise ConfigError(
            f"model.source: {found.source!r} ({settings.model_type}) is for {modality or 'something else'}, "
            f"but prepare.modality is {prepare.modality}",
            hint=f"take a network for {prepare.modality}",
        )
    seen = side or getattr(prepare, "size", 0)
    if isinstance(prepare, ImagePrepare) and _has_places(network) and settings.image_size != seen:
        problems.append(f"prepare.size={settings.image_size}, not {seen}")
    rate = found.read(PREPROCESSOR).get("sampling_rate", 16000)
    if isinstance(prepare, AudioPrepare) and prepare.rate != rate:
        problems.append(f"prepare.rate={rate}, not {prepare.rate}")
    if isinstance(prepare, TextPrepare) and vocab is not None:
        longest = getattr(settings, "max_position_embeddings", None) or prepare.max_tokens
        longest -= settings.pad_token_id + 1 if settings.model_type in _OFFSET else 0
        if prepare.max_tokens > longest:
            problems.append(f"prepare.max_tokens of {longest} or less, not {prepare.max_tokens}")
        if vocab > settings.vocab_size:
            problems.append(f"a tokenizer of {settings.vocab_size} tokens or less, not {vocab}")
        if settings.pad_token_id not in (None, pad):
            problems.append(f"a tokenizer that pads with id {settings.pad_token_id}, not {pad}")
    if problems:
        raise ConfigError(
            f"model.source: {found.source!r} needs {'; '.join(problems)}",
            hint="these belong to the weights; write what it needs"
            + (", or leave prepare.tokenizer out" if isinstance(prepare, TextPrepare) else ""),
        )


def _has_places(network: nn.Module) -> bool:
    return any(name.endswith("position_embeddings") for name, _ in network.named_parameters())


def _pool(config: ModelConfig, network: Any) -> str:
    """How the architecture's own classifier makes one embedding of its tokens."""
    if network.config.model_type == _SPECTROGRAM:
        return "pooled" if config.pool == "auto" else config.pool
    if network.main_input_name == "input_values":
        return "mean" if config.pool == "auto" else config.pool
    has_first = network.main_input_name == "input_ids" or any(
        name.endswith("cls_token") for name, _ in network.named_parameters()
    )
    if has_first:
        return "first" if config.pool == "auto" else config.pool
    return "pooled"


def _front(found: Pretrained, network: Any, prepare: Prepare, side: int) -> nn.Module:
    """The preparation that the network was trained with, as a part of the graph."""
    said = found.read(PREPROCESSOR)
    if isinstance(prepare, ImagePrepare):
        own = {"mean": said.get("image_mean"), "std": said.get("image_std")}
        if said.get("do_normalize") is False:
            own = {"mean": 0.0, "std": 1.0}
        given = prepare.model_dump(include={"mean", "std"}, exclude_none=True)
        values: dict[str, Any] = {"size": prepare.size, **own, **given}
        return ImageFront(ImagePrepare(**values), side)
    if isinstance(prepare, TextPrepare):
        return nn.Identity()
    if network.config.model_type != _SPECTROGRAM:
        return WaveFront() if said.get("do_normalize", True) else nn.Identity()
    normal = said.get("do_normalize", True)
    return KaldiFront(
        rate=prepare.rate,
        mels=network.config.num_mel_bins,
        frames=network.config.max_length,
        mean=said.get("mean", -4.2677393) if normal else 0.0,
        std=said.get("std", 4.5689974) if normal else 0.5,
    )


def _has_weights(module: nn.Module | None) -> bool:
    return module is not None and any(True for _ in module.parameters())


def _unusable(found: Pretrained, error: Exception) -> ConfigError:
    return ConfigError(
        f"model.source: {found.source!r} cannot be loaded ({str(error).strip().splitlines()[0]})",
        hint="fetch it again, or take another one",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's remarks on heads that are left out, and its bars."""
    from transformers.utils import logging as remarks

    level, bars = remarks.get_verbosity(), remarks.is_progress_bar_enabled()
    remarks.set_verbosity(logging.CRITICAL)
    remarks.disable_progress_bar()
    try:
        yield
    finally:
        remarks.set_verbosity(level)
        if bars:
            remarks.enable_progress_bar()
