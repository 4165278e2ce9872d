"""Gradual unfreezing (Howard & Ruder 2018): the head learns first, then layer by layer from the top.

What learns is a function of the epoch alone, so that a run which was cut short goes on as if it had not been.
"""

from holdfast.config.schema import ModelConfig
from holdfast.models import Classifier
from holdfast.models.huggingface import Body


def thaw(model: Classifier, config: ModelConfig, epoch: int, epochs: int) -> None:
    """Let the layers learn that should in this epoch, from 0 to epochs - 1; freeze the others.

    Does nothing unless `config.tune` is gradual. The optimiser knows all weights from the start; it leaves
    alone what has no gradient.
    """
    if config.tune != "gradual" or not isinstance(model.body, Body):
        return
    layers = model.body.layers()
    count = thawed(epoch, epochs, len(layers), by=config.thaw_by)
    for number, layer in enumerate(layers):
        for weight in layer:
            weight.requires_grad_(number < count)
    model.train(model.training)  # what is frozen goes into evaluation, what is not comes out of it


def thawed(epoch: int, epochs: int, layers: int, *, by: float) -> int:
    """How many layers learn in an epoch: none in the first, all from the share `by` of the epochs on.

    >>> [thawed(epoch, 10, 12, by=0.5) for epoch in range(10)]
    [0, 2, 4, 7, 9, 12, 12, 12, 12, 12]
    """
    return min(layers, int(layers * epoch / max(1, round(by * epochs))))
