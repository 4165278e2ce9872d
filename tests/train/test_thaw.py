"""Fine-tuning: what learns and what does not, and that a cut changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from holdfast.core.files import digest_file
from holdfast.modality import Preparation
from holdfast.modality import prepare as make_preparation
from holdfast.models.huggingface import Body
from holdfast.testing.networks import write_network
from holdfast.tracking import Run
from holdfast.train import fit, load_best
from holdfast.train.device import pick_device
from holdfast.train.learner import make_learner
from holdfast.train.thaw import thaw
from tests.train.conftest import Toy

KINDS = {
    "resnet": "image",
    "vit": "image",
    "distilbert": "text",
    "audio-spectrogram-transformer": "audio",
    "wav2vec2": "audio",
}
_SIZES = {"image": ("prepare.size=32",), "text": ("prepare.max_tokens=48",), "audio": ()}


class Tuning:
    """A toy, a network in a folder, and the settings to tune it."""

    def __init__(self, kind: str, toy: Toy, folder: Path, *settings: str) -> None:
        modality = KINDS[kind]
        small = [value for value in toy.settings if not value.startswith("model.")]
        self.toy = Toy(toy.version, toy.store, tuple(small), toy.tokenizer)
        texts = (toy.version.read(int(i)).decode() for i in toy.version.indices("train"))
        write_network(folder / kind, kind, texts=texts if modality == "text" else ())
        self.tokenizer = (folder / kind / "tokenizer.json").read_bytes() if modality == "text" else None
        self.config = self.toy.config(
            "model.name=hf",
            f"model.source={folder / kind}",
            "train.epochs=1",
            "optim.lr=1e-3",
            *_SIZES[modality],
            *settings,
        )

    @property
    def preparation(self) -> Preparation:
        return make_preparation(self.config.prepare, self.tokenizer)

    def begun(self) -> dict[str, Tensor]:
        device = pick_device(self.config.device)
        learner = make_learner(self.config, self.toy.version, self.preparation, device)
        return {name: value.clone() for name, value in learner.model.state_dict().items()}

    def fit(self, run: Run) -> dict[str, Tensor]:
        from safetensors.torch import load_file

        fit(self.config, self.toy.version, self.preparation, run)
        (last,) = (run.folder / "checkpoints").glob("last-*.safetensors")
        return {k.removeprefix("model."): v for k, v in load_file(last).items() if k.startswith("model.")}


@pytest.fixture
def tuning(toy: Callable[[str], Toy], tmp_path: Path) -> Callable[..., Tuning]:
    return lambda kind, *settings: Tuning(kind, toy(KINDS[kind]), tmp_path, *settings)


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_learns_whole(
    kind: str, tuning: Callable[..., Tuning], new_run: Callable[..., Run]
) -> None:
    tuned = tuning(kind)

    after = tuned.fit(new_run())

    still = set(after) - changed(tuned.begun(), after)
    assert {name for name in still if "num_batches" not in name and ".k_" not in name} == set()


def test_head_only_leaves_the_body_as_it_was_bit_for_bit(
    tuning: Callable[..., Tuning], new_run: Callable[..., Run]
) -> None:
    tuned = tuning("resnet", "model.tune=head")

    after = tuned.fit(new_run())

    assert changed(tuned.begun(), after) == {"head.weight", "head.bias"}


def test_lora_changes_only_matrices_and_head_and_is_merged_when_loaded(
    tuning: Callable[..., Tuning], new_run: Callable[..., Run]
) -> None:
    tuned, run = tuning("vit", "model.tune=lora", "model.lora_rank=2"), new_run()

    after = tuned.fit(run)

    assert {name for name in changed(tuned.begun(), after) if "lora_" not in name} == {
        "head.weight",
        "head.bias",
    }
    model = load_best(run.folder, tuned.config, tuned.toy.version, tuned.preparation)
    assert not [name for name, _ in model.named_parameters() if "lora_" in name]


def test_gradual_thaws_from_the_top_by_the_epoch(tuning: Callable[..., Tuning]) -> None:
    tuned = tuning("vit", "model.tune=gradual", "model.thaw_by=1")
    learner = make_learner(
        tuned.config, tuned.toy.version, tuned.preparation, pick_device(tuned.config.device)
    )
    body = learner.model.body
    assert isinstance(body, Body)
    in_optimizer = {id(w) for group in learner.optimizer.param_groups for w in group["params"]}
    assert in_optimizer == {id(weight) for weight in learner.model.parameters()}

    for epoch in (3, 0, 1, 2):
        thaw(learner.model, tuned.config.model, epoch, 3)

        learns = [all(weight.requires_grad for weight in layer) for layer in body.layers()]
        frozen = [not any(weight.requires_grad for weight in layer) for layer in body.layers()]
        assert learns == [number < epoch for number in range(3)]
        assert frozen == [number >= epoch for number in range(3)]
        assert body.network.embeddings.training == (epoch == 3)
        assert learner.model.head.weight.requires_grad


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize(
    ("kind", "tune", "cut_at"),
    [("resnet", "gradual", 12), ("vit", "lora", 12), ("distilbert", "gradual", 12), ("wav2vec2", "all", 6)],
)
def test_a_tuning_that_was_cut_ends_at_the_same_weights(
    kind: str,
    tune: str,
    cut_at: int,
    tuning: Callable[..., Tuning],
    new_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tuned = tuning(kind, f"model.tune={tune}", "train.epochs=2", "train.checkpoint_s=0")
    whole, cut = new_run("whole"), new_run("cut")
    tuned.fit(whole)
    steps = cut.log

    def stop(step: int, **values: float) -> None:
        if step == cut_at:
            raise StoppedError
        steps(step, **values)

    monkeypatch.setattr("holdfast.train.loop._LOG_EVERY", 1)
    monkeypatch.setattr(cut, "log", stop)
    with pytest.raises(StoppedError):
        tuned.fit(cut)
    monkeypatch.undo()
    cut.close()
    tuned.fit(new_run("cut"))

    tensors = [next((run.folder / "checkpoints").glob("last-*.safetensors")) for run in (whole, cut)]
    assert digest_file(tensors[0]) == digest_file(tensors[1])
