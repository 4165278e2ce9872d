"""What every network looks like from outside: decoded input in, logits and an embedding out."""

from collections.abc import Callable, Iterable

from torch import Tensor, nn


class Classifier(nn.Module):
    """A front that turns decoded input into features, a body that makes an embedding, and a linear head.

    The front is apart from the rest so that training can change features (mask bands of a spectrum,
    mix two samples) and so that the exported graph begins at decoded input: uint8 pixels of shape
    (n, size, size, 3), float32 sound of shape (n, samples), or int64 token ids of shape (n, tokens).

    Args:
        front: from a batch of decoded inputs to a tensor of features.
        body: from features to embeddings of shape (n, width).
        width: of the embedding.
        labels: how many logits there are.
        dropout: share of the embedding dropped before the head while training.
    """

    def __init__(self, front: nn.Module, body: nn.Module, *, width: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.front = front
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, labels)

    def prime(self, batches: Callable[[], Iterable[tuple[Tensor, Tensor]]]) -> None:
        """Learn from the training split what no gradient teaches, such as how rare a word is.

        Called once, before the first step. Most networks have nothing to learn so. What is learnt must
        be in buffers that go into a checkpoint.

        Args:
            batches: gives decoded inputs with targets of shape (n, labels), as often as it is called.
        """

    def features(self, inputs: Tensor) -> Tensor:
        """What the body sees of a batch."""
        features: Tensor = self.front(inputs)
        return features

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of shape (n, labels) and embeddings of shape (n, width)."""
        embedding: Tensor = self.body(features)
        return self.head(self.dropout(embedding)), embedding

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of shape (n, labels), before any softmax or sigmoid, and embeddings of shape (n, width)."""
        return self.classify(self.features(inputs))
