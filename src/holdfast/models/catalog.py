"""The networks that `model.name` can choose from, by name. A new one is a file and a line in CATALOG."""

from dataclasses import dataclass
from importlib import import_module

from holdfast.config.schema import ModelConfig, Prepare
from holdfast.core.errors import ConfigError
from holdfast.core.media import Modality
from holdfast.core.refs import did_you_mean
from holdfast.models.classifier import Classifier


@dataclass(frozen=True)
class Part:
    """Where a network is found, and what it looks at.

    Attributes:
        modality: what the network classifies; None: anything.
        module: has a function `build(config, prepare, labels, vocab, pad) -> Classifier`, or one
            without `vocab` and `pad` where the modality is not text.
    """

    modality: Modality | None
    module: str


CATALOG = {
    "resnet_small": Part("image", "holdfast.models.resnet"),
    "mel_cnn_small": Part("audio", "holdfast.models.melcnn"),
    "mel_transformer_small": Part("audio", "holdfast.models.meltransformer"),
    "text_small": Part("text", "holdfast.models.ngrams"),
    "text_ngrams": Part("text", "holdfast.models.textgrams"),
    "hf": Part(None, "holdfast.models.huggingface"),
}


def build(
    config: ModelConfig, prepare: Prepare, labels: int, vocab: int | None = None, *, pad: int = 0
) -> Classifier:
    """A network; weights that are not pretrained are drawn from torch's global random numbers.

    Args:
        config: names the network and says how large it is.
        prepare: what its inputs look like.
        labels: how many it tells apart.
        vocab: for texts, one more than the largest token id.
        pad: for texts, the token id that fills up a batch.

    Raises:
        ConfigError: if there is no such network, or it is for another modality.
        ValueError: if there are no labels, or a text network is given no vocab.

    >>> from holdfast.config.schema import ImagePrepare
    >>> build(ModelConfig(name="resnet_smal"), ImagePrepare(), 2)
    Traceback (most recent call last):
    holdfast.core.errors.ConfigError: model.name: no network 'resnet_smal'; did you mean 'resnet_small'?
    hint: for image there are: resnet_small, hf
    """
    fitting = [name for name, part in CATALOG.items() if part.modality in (None, prepare.modality)]
    hint = f"for {prepare.modality} there are: {', '.join(fitting)}"
    part = CATALOG.get(config.name)
    if part is None:
        near = did_you_mean(config.name, CATALOG)
        meant = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"model.name: no network {config.name!r}{meant}", hint=hint)
    if part.modality not in (None, prepare.modality):
        raise ConfigError(
            f"model.name: {config.name!r} is for {part.modality}, but prepare.modality is {prepare.modality}",
            hint=hint,
        )
    if labels < 1:
        raise ValueError(f"need at least one label, got {labels}")
    if prepare.modality == "text" and vocab is None:
        raise ValueError("a text network needs the size of the vocabulary")
    words = (vocab, pad) if prepare.modality == "text" else ()
    model: Classifier = import_module(part.module).build(config, prepare, labels, *words)
    return model
