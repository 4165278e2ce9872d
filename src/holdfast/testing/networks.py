"""Tiny networks with weights by chance, written as the Hugging Face hub has them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_TRANSFORMER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
_CONFIGS: dict[str, dict[str, Any]] = {
    "resnet": {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1]},
    "vit": {**_TRANSFORMER, "image_size": 32, "patch_size": 8},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 64},
    "bert": {**_TRANSFORMER, "max_position_embeddings": 64},
    "audio-spectrogram-transformer": {**_TRANSFORMER, "max_length": 64, "num_mel_bins": 32},
    "wav2vec2": {
        **_TRANSFORMER,
        "conv_dim": [16, 16, 16],
        "conv_stride": [10, 8, 8],
        "conv_kernel": [20, 16, 16],
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    },
}
_PREPROCESSORS: dict[str, dict[str, Any]] = {
    "resnet": {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
    "vit": {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
    "audio-spectrogram-transformer": {"sampling_rate": 16000, "mean": -4.2677393, "std": 4.5689974},
    "wav2vec2": {"sampling_rate": 16000, "do_normalize": True},
}
_IMAGES, _TEXTS = ("resnet", "vit"), ("distilbert", "bert")


def write_network(
    folder: Path, kind: str, *, labels: int = 3, seed: int = 0, texts: Iterable[str] = ()
) -> Path:
    """Save a classifier of an architecture, with config, weights and what prepares its input.

    Args:
        kind: resnet, vit, distilbert, bert, audio-spectrogram-transformer or wav2vec2.
        labels: of the classifier's own head, which Holdfast leaves aside.
        seed: another one gives other weights.
        texts: what the vocabulary of a text network is learnt from.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import (
        AutoConfig,
        AutoModelForAudioClassification,
        AutoModelForImageClassification,
        AutoModelForSequenceClassification,
    )

    family: Any = AutoModelForAudioClassification
    values = {**_CONFIGS[kind], "num_labels": labels}
    folder.mkdir(parents=True, exist_ok=True)
    if kind in _IMAGES:
        family = AutoModelForImageClassification
    if kind in _TEXTS:
        family = AutoModelForSequenceClassification
        values |= {"vocab_size": _write_tokenizer(folder, texts), "pad_token_id": 0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = family.from_config(AutoConfig.for_model(kind, **values))
    (folder / "config.json").write_text(network.config.to_json_string(use_diff=False))
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    if kind in _PREPROCESSORS:
        (folder / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSORS[kind]))
    return folder


def _write_tokenizer(folder: Path, texts: Iterable[str]) -> int:
    """A vocabulary with the special tokens of BERT around each text; returns its size."""
    from tokenizers import Tokenizer, processors

    from holdfast.modality import learn_tokenizer

    tokenizer = Tokenizer.from_str(learn_tokenizer(texts, 400).decode())
    tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
    ids = tokenizer.get_vocab()
    first, last = ("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])
    tokenizer.post_processor = processors.BertProcessing(last, first)
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())
