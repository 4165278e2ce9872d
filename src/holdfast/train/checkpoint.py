"""Where a training stands, on disk: weights in safetensors, the rest in a JSON file that names them.

The JSON file is the commit point. It is written last and names the tensor file by its digest, so that a
reader finds an old checkpoint or a new one, whatever moment the writer was killed at.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from holdfast.core.errors import HoldfastError
from holdfast.core.files import clear_aside, digest_bytes, read_json, write_bytes, write_json

LAST, BEST = "last", "best"
_PROTOCOL = 1


@dataclass
class State:
    """Everything besides tensors that a training must know to go on as if it had not stopped.

    Attributes:
        epoch: from 0; the one that is going on, or is about to begin.
        position: batches done in it.
        step: batches done in all.
        loss_sum: over the samples of this epoch.
        seen: samples of this epoch.
        best: validation metrics of the best epoch so far, with its number from 1 as `epoch`.
        waited: epochs since then.
        seconds: spent so far.
        saved: seconds at the last checkpoint.
        stopped: whether training ended before its last epoch.
    """

    epoch: int = 0
    position: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    best: dict[str, float] | None = None
    waited: int = 0
    seconds: float = 0.0
    saved: float = 0.0
    stopped: bool = False

    def add(self, loss: float, samples: int, seconds: float) -> None:
        """Count one more batch."""
        self.step += 1
        self.position += 1
        self.loss_sum += loss * samples
        self.seen += samples
        self.seconds += seconds

    @property
    def mean_loss(self) -> float:
        """Of the samples of this epoch."""
        return self.loss_sum / max(1, self.seen)


def save_last(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    state: State,
    average: nn.Module | None = None,
) -> None:
    """Write where training stands; the checkpoint before this one is then removed."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for name, weight in model.named_parameters():
        for key, value in optimizer.state.get(weight, {}).items():
            tensors[f"optimizer.{key}.{name}"] = value
    facts = {"state": dataclasses.asdict(state), "scaler": scaler.state_dict()}
    _write(folder, LAST, state.step, tensors, facts)


def load_last(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    average: nn.Module | None = None,
) -> State:
    """Put everything back as `save_last` found it; a fresh state if there is no checkpoint.

    Raises:
        HoldfastError: if the checkpoint is damaged or of another network.
    """
    clear_aside(folder)
    found = _read(folder, LAST)
    if found is None:
        return State()
    facts, tensors = found
    _load_weights(folder, model, tensors)
    if average is not None:
        _load_weights(folder, average, tensors, "average.")
    for name, weight in model.named_parameters():
        for key, value in tensors.items():
            if key.startswith("optimizer.") and key.split(".", 2)[2] == name:
                optimizer.state[weight][key.split(".", 2)[1]] = value.to(weight.device)
    scaler.load_state_dict(facts["scaler"])
    return State(**facts["state"])


def save_best(folder: Path, model: nn.Module, best: dict[str, float]) -> None:
    """Write the weights of the best epoch so far; those before are then removed."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    _write(folder, BEST, int(best["epoch"]), tensors, {"best": best})


def load_weights(folder: Path, model: nn.Module) -> dict[str, float]:
    """Give the model the weights of the best epoch, and say what that epoch reached.

    Raises:
        HoldfastError: if there are none, they are damaged, or they are of another network.
    """
    found = _read(folder, BEST)
    if found is None:
        raise HoldfastError(f"{folder} holds no finished epoch", hint="run the training again: it goes on")
    facts, tensors = found
    _load_weights(folder, model, tensors)
    best: dict[str, float] = facts["best"]
    return best


def stored_weights(folder: Path, kind: str = BEST) -> dict[str, Tensor]:
    """The network's tensors in a checkpoint, by name, on the CPU.

    Args:
        folder: that of a run's checkpoints.
        kind: `best` or `last`.

    Raises:
        HoldfastError: if there is no such checkpoint, or it is damaged.
    """
    found = _read(folder, kind)
    if found is None:
        raise _nothing(folder)
    return {key.removeprefix("model."): value for key, value in found[1].items() if key.startswith("model.")}


def stored_state(folder: Path) -> State:
    """Where a training stood at its last checkpoint.

    Raises:
        HoldfastError: if there is no checkpoint, or it is damaged.
    """
    found = _read(folder, LAST)
    if found is None:
        raise _nothing(folder)
    return State(**found[0]["state"])


def _write(folder: Path, kind: str, number: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = digest_bytes(data)
    name = f"{kind}-{number}-{digest[:8]}.safetensors"
    write_bytes(folder / name, data)
    write_json(folder / f"{kind}.json", {"protocol": _PROTOCOL, "tensors": name, "sha256": digest, **facts})
    for path in folder.glob(f"{kind}-*.safetensors"):
        if path.name != name:
            path.unlink(missing_ok=True)


def _read(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    path = folder / f"{kind}.json"
    if not path.exists():
        return None
    try:
        facts: dict[str, Any] = read_json(path)
        data = (folder / Path(facts["tensors"]).name).read_bytes()
    except (OSError, json.JSONDecodeError, KeyError) as error:
        raise _damaged(path, str(error)) from error
    if digest_bytes(data) != facts["sha256"]:
        raise _damaged(folder / facts["tensors"], "its digest is another one")
    return facts, load(data)


def _load_weights(folder: Path, model: nn.Module, tensors: dict[str, Tensor], prefix: str = "model.") -> None:
    weights = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise HoldfastError(
            f"the checkpoint in {folder} is of another network: {str(error).splitlines()[-1].strip()}",
            hint="start a new run",
        ) from error


def _nothing(folder: Path) -> HoldfastError:
    return HoldfastError(f"{folder} holds no weights", hint="they were removed, or no epoch was finished")


def _damaged(path: Path, why: str) -> HoldfastError:
    return HoldfastError(f"the checkpoint {path} is damaged: {why}", hint="start a new run")
