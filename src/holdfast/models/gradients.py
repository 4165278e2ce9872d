"""Directions of edges in the cells of a picture: fixed features beside a network, for few pictures."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TURNS = 9
_CUT = 0.2
_TINY = 1e-4


class WithGradients(nn.Module):
    """A body over pictures, and beside its embedding their `Gradients`, each of size about 1.

    Args:
        body: from pictures of shape (n, 3, height, width) to embeddings of shape (n, width).
        width: of these.
        cells: of the gradients, on each side.
    """

    def __init__(self, body: nn.Module, width: int, cells: int) -> None:
        super().__init__()
        self.body, self.gradients = body, Gradients(cells)
        self.norm = nn.BatchNorm1d(self.gradients.out_width, affine=False)
        self.out_width = width + self.gradients.out_width

    def forward(self, pictures: Tensor) -> Tensor:
        """Shape (n, out_width)."""
        embedding = self.body(pictures).float()
        return torch.cat([embedding, self.norm(self.gradients(pictures))], dim=1)


class Gradients(nn.Module):
    """Histograms of gradient directions (Dalal and Triggs 2005), from pictures to (n, out_width).

    Each place votes with the length of its brightness gradient for 9 directions without sign, by how near
    its own direction is. Votes are averaged over cells, blocks of 2 × 2 cells are normed, cut at 0.2 and
    normed again. Nothing in it is learnt, so it is as good with ten pictures as with a million.

    Args:
        cells: on each side of the picture; at least 2.
    """

    def __init__(self, cells: int = 8) -> None:
        super().__init__()
        self.cells = cells
        self.out_width = (cells - 1) ** 2 * 4 * _TURNS
        turns = torch.arange(_TURNS) * math.pi / _TURNS
        self.directions: Tensor
        self.register_buffer("directions", torch.stack([turns.cos(), turns.sin()]), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures of shape (n, 3, height, width) in any scale: length is normed away."""
        grey = pictures.float().mean(dim=1, keepdim=True)
        right = F.pad(grey[..., 2:] - grey[..., :-2], (1, 1))
        down = F.pad(grey[..., 2:, :] - grey[..., :-2, :], (0, 0, 1, 1))
        length = (right.square() + down.square() + 1e-12).sqrt()
        along = right * self.directions[0].view(-1, 1, 1) + down * self.directions[1].view(-1, 1, 1)
        near = (along / length).square()
        for _ in range(4):  # the 32nd power of the cosine: 0.6 halfway to the next direction, 0.1 there
            near = near.square()
        votes = length * near
        shares = [cell_shares(votes.shape[axis], self.cells).to(votes) for axis in (2, 3)]
        grid = (shares[0] @ votes @ shares[1].T).float()
        blocks = torch.cat(
            [grid[..., :-1, :-1], grid[..., :-1, 1:], grid[..., 1:, :-1], grid[..., 1:, 1:]], dim=1
        )
        return _normed(_normed(blocks).clamp(max=_CUT)).flatten(1)


def cell_shares(places: int, cells: int) -> Tensor:
    """How much each place counts in each cell when a side is cut into even cells; shape (cells, places).

    >>> cell_shares(3, 2)
    tensor([[0.6667, 0.3333, 0.0000],
            [0.0000, 0.3333, 0.6667]])
    """
    edges = torch.arange(cells + 1, dtype=torch.float32) * places / cells
    spots = torch.arange(places, dtype=torch.float32)
    overlap = torch.minimum(edges[1:, None], spots + 1) - torch.maximum(edges[:-1, None], spots)
    return overlap.clamp(min=0) * cells / places


def _normed(blocks: Tensor) -> Tensor:
    """Each block, along the directions of its cells, of length 1."""
    return blocks / (blocks.square().sum(dim=1, keepdim=True) + _TINY).sqrt()
