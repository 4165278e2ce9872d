"""Where a pretrained network lies: a folder in the hub's format, or a name that the hub has one for."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from holdfast.config.schema import ModelConfig
from holdfast.core.errors import ConfigError
from holdfast.core.files import digest_bytes, digest_file

CONFIG, PREPROCESSOR, TOKENIZER = "config.json", "preprocessor_config.json", "tokenizer.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")


@dataclass(frozen=True)
class Pretrained:
    """A network's files.

    Attributes:
        source: as the configuration names it.
        folder: holds the files; None for an architecture without any.
        fresh: whether its weights are left aside.
    """

    source: str
    folder: Path | None
    fresh: bool

    def read(self, name: str) -> dict[str, Any]:
        """The values of a JSON file; none if there is no such file.

        Raises:
            ConfigError: if it is not JSON.
        """
        path = None if self.folder is None else self.folder / name
        if path is None or not path.is_file():
            return {}
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON: {error}", hint="fetch the network again") from None
        return values

    @property
    def tokenizer(self) -> bytes | None:
        """The content of its tokenizer.json, if there is one."""
        path = None if self.folder is None else self.folder / TOKENIZER
        return path.read_bytes() if path is not None and path.is_file() else None

    @property
    def facts(self) -> dict[str, str]:
        """Name, commit (of a name on the hub) and the digest of all that is read of it."""
        files = [] if self.folder is None else _read_of(self.folder, self.fresh)
        digests = {path.name: digest_file(path) for path in files}
        local = self.folder is not None and Path(self.source).expanduser() == self.folder
        name = self.folder.name if local and self.folder else self.source  # where it lies is in the config
        facts = {"source": name, "digest": digest_bytes(json.dumps(digests, sort_keys=True).encode())}
        if self.folder is not None and self.folder.parent.name == "snapshots":
            facts["revision"] = self.folder.name
        return facts


def find_pretrained(config: ModelConfig) -> Pretrained:
    """The files that a configuration names, fetched from the hub if they are not on this machine.

    Raises:
        ConfigError: if there is no such network, it cannot be fetched, or its weights are pickles only.
    """
    if config.source is None:
        raise ConfigError("model.source: a pretrained network needs one", hint="such as microsoft/resnet-50")
    return _find(config.source, config.revision, config.fresh)


@lru_cache(maxsize=8)  # the newest of the hub may change while a run reads it twice
def _find(source: str, revision: str | None, fresh: bool) -> Pretrained:
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if fresh and _is_architecture(source):
            return Pretrained(source, None, fresh)
        if len(folder.parts) > 2 or folder.is_absolute() or source.startswith("."):
            raise ConfigError(
                f"model.source: no folder {source!r}", hint="give a folder, or a name on the hub"
            )
        folder = _fetch(source, revision, fresh)
    elif revision is not None:
        raise ConfigError(
            f"model.revision: {source!r} is a folder, which has no revisions", hint="leave it out"
        )
    _check(source, folder, fresh)
    return Pretrained(source, folder, fresh)


def _is_architecture(source: str) -> bool:
    from transformers import CONFIG_MAPPING

    return source in CONFIG_MAPPING


def _fetch(source: str, revision: str | None, fresh: bool) -> Path:
    """The folder in the hub's cache. Files that run code, and pickles, are not fetched."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled

    wanted = [CONFIG, PREPROCESSOR, TOKENIZER, *(() if fresh else _WEIGHTS)]
    were_off = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=wanted))
    except Exception as error:  # unknown names, no network, no rights: of several libraries
        at = f" at revision {revision!r}" if revision else ""
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"model.source: {source!r}{at} is no folder, and the Hugging Face hub does not give it ({why})",
            hint="give the path of a local folder with config.json and model.safetensors; or set HF_HOME "
            "to a cache that holds it; or train its architecture from scratch with model.fresh=true and "
            "model.source set to a model type such as resnet, vit or distilbert",
        ) from None
    finally:
        if not were_off:
            enable_progress_bars()


def _check(source: str, folder: Path, fresh: bool) -> None:
    if not (folder / CONFIG).is_file():
        raise ConfigError(
            f"model.source: {source!r} has no {CONFIG}", hint="give a folder written by `save_pretrained`"
        )
    if fresh or any(next(folder.glob(pattern), None) for pattern in _WEIGHTS):
        return
    pickles = sorted(path.name for path in folder.glob("*.bin")) or _pickles_on_hub(folder)
    raise ConfigError(
        f"model.source: {source!r} has no model.safetensors"
        + (f", only {pickles[0]}, a pickle, which could run code" if pickles else ""),
        hint="take a model.revision that has safetensors, or convert it where you trust it: "
        "AutoModel.from_pretrained(SOURCE).save_pretrained(FOLDER)",
    )


def _pickles_on_hub(folder: Path) -> list[str]:
    return ["pytorch_model.bin"] if folder.parent.name == "snapshots" else []


def _read_of(folder: Path, fresh: bool) -> list[Path]:
    names = [CONFIG, PREPROCESSOR, TOKENIZER, *(() if fresh else _WEIGHTS)]
    return sorted({path for name in names for path in folder.glob(name)})
