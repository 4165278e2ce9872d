"""The bundles and samples of the benchmarks of serving: graphs of real size with weights by chance.

They are kept in BENCH_MODELS (default `artifacts/bench-models`): to export a ResNet-50 takes longer than to
measure it.
"""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_KEPT = Path(os.environ.get("BENCH_MODELS", "artifacts/bench-models")).absolute()
_LABELS = [f"label {number}" for number in range(10)]
_SAMPLES = 24
_TEXT = (
    "a salt wave over the old harbour and gull near boat stone path under ridge sheep summit fish "
    "tide sail sea with new heather on slope cliff hill of rain again morning light keeper counts "
    "ships that pass "
)
_WORDS = _TEXT.split()
NAMES = ("small", "resnet50", "resnet50-int8", "distilbert", "birds")


def bundle_of(name: str) -> Path:
    """The folder of a bundle; made once."""
    folder = _KEPT / name
    if not (folder / "manifest.json").exists():
        aside = folder.with_name(f"{name}.making")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _MAKERS[name](aside)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    return folder


def samples_of(name: str) -> Path:
    """A folder of bodies to send, `good-*`; made once."""
    folder = _KEPT / f"samples-{_kind(name)}"
    if not folder.exists():
        aside = folder.with_name(f"{folder.name}.making")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for seed in range(_SAMPLES):
            (aside / f"good-{seed:02}").write_bytes(_BODIES[_kind(name)](np.random.default_rng(seed)))
        aside.rename(folder)
    return folder


def with_corrupt(name: str, share: float) -> Path:
    """The same, of which a share is damaged in the ways that files are: cut, altered, of another kind."""
    folder = _KEPT / f"corrupt-{_kind(name)}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    good = [path.read_bytes() for path in sorted(samples_of(name).iterdir())]
    bad = round(len(good) * share / (1 - share))
    for number, body in enumerate(good):
        (folder / f"good-{number:02}").write_bytes(body)
    for number in range(bad):
        body = good[number % len(good)]
        cut = (body[: len(body) // 2], b"", b"\x00" * 500, body[:40] + b"?" * 400, b"%PDF-1.7 not a picture")
        (folder / f"bad-{number:02}").write_bytes(cut[number % len(cut)] or b"?")
    return folder


def torch_model(name: str) -> Any:
    """The network of a bundle, for servers that run it as it was trained."""
    import torch

    from holdfast.config.schema import ImagePrepare
    from holdfast.models import build

    torch.manual_seed(0)
    config, prepare = _PICTURES[name]
    assert isinstance(prepare, ImagePrepare)
    return build(config, prepare, len(_LABELS), None).eval()


def _kind(name: str) -> str:
    return {"distilbert": "text", "birds": "audio"}.get(name, "image")


def _pictures() -> dict[str, tuple[Any, Any]]:
    from holdfast.config.schema import ImagePrepare, ModelConfig

    return {
        "small": (ModelConfig(name="resnet_small", width=16, depth=3), ImagePrepare(size=64)),
        "resnet50": (ModelConfig(name="hf", source="resnet", fresh=True), ImagePrepare(size=224)),
    }


_PICTURES = _pictures()


def _make_picture(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from holdfast.bundle import Manifest, seal
        from holdfast.export import export_onnx

        _, prepare = _PICTURES[name]
        size = prepare.size
        example = np.random.default_rng(0).integers(0, 255, (2, size, size, 3), dtype=np.uint8)
        export_onnx(torch_model(name), folder / "model.onnx", example=example, task="single")
        seal(folder, Manifest(task="single", modality="image", labels=_LABELS, prepare=prepare))

    return make


def _make_int8(folder: Path) -> None:
    """As `holdfast optimize --int8` makes it for convolutions; calibrated on the samples."""
    from holdfast.bundle import Manifest, open_bundle, seal
    from holdfast.export import static_int8
    from holdfast.modality import prepare

    original = open_bundle(bundle_of("resnet50"))
    preparation = prepare(original.manifest.prepare, None)
    batches = [preparation.decode(path.read_bytes()) for path in sorted(samples_of("resnet50").iterdir())]
    static_int8(original.model, folder / "model.onnx", batches, between=True)
    seal(
        folder,
        Manifest(task="single", modality="image", labels=_LABELS, prepare=original.manifest.prepare),
    )


def _make_text(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer

    from holdfast.bundle import Manifest, seal
    from holdfast.config.schema import ModelConfig, TextPrepare
    from holdfast.export import export_onnx
    from holdfast.modality import learn_tokenizer, prepare
    from holdfast.models import build

    settings = TextPrepare(max_tokens=256, vocab=300)
    texts = [path.read_text() for path in sorted(samples_of("distilbert").iterdir())]
    content = learn_tokenizer(texts, settings.vocab)
    (folder / "tokenizer.json").write_bytes(content)
    vocab = Tokenizer.from_str(content.decode()).get_vocab_size()
    torch.manual_seed(0)
    config = ModelConfig(name="hf", source="distilbert", fresh=True)
    model = build(config, settings, len(_LABELS), vocab).eval()
    example = prepare(settings, content).decode(texts[0].encode())
    export_onnx(model, folder / "model.onnx", example=example, task="single")
    seal(folder, Manifest(task="single", modality="text", labels=_LABELS, prepare=settings))


def _make_birds(folder: Path) -> None:
    """As `recipe=birds size=small` makes it."""
    import torch

    from holdfast.bundle import Manifest, seal
    from holdfast.config import load_config
    from holdfast.export import export_onnx
    from holdfast.modality import prepare
    from holdfast.models import build

    config = load_config(["recipe=birds", "size=small"], recipe="birds").config
    torch.manual_seed(0)
    model = build(config.model, config.prepare, len(_LABELS), None).eval()
    body = next(iter(sorted(samples_of("birds").iterdir()))).read_bytes()
    example = prepare(config.prepare).decode(body)
    export_onnx(model, folder / "model.onnx", example=example, task="single")
    seal(folder, Manifest(task="single", modality="audio", labels=_LABELS, prepare=config.prepare))


_MAKERS: dict[str, Callable[[Path], None]] = {
    "small": _make_picture("small"),
    "resnet50": _make_picture("resnet50"),
    "resnet50-int8": _make_int8,
    "distilbert": _make_text,
    "birds": _make_birds,
}


def _picture(rng: np.random.Generator) -> bytes:
    """A JPEG of 320 × 320 pixels and some 30 KB: smooth as a photograph is, and with its grain."""
    from PIL import Image

    coarse = Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((320, 320), Image.Resampling.BICUBIC), np.int16)
    grain = rng.normal(0, rng.uniform(4, 9), (320, 320, 1))
    file = io.BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


def _text(rng: np.random.Generator) -> bytes:
    """A text of some 30 to 120 words."""
    return " ".join(rng.choice(_WORDS, rng.integers(30, 120))).encode()


def _sound(rng: np.random.Generator) -> bytes:
    """Some 6 to 16 s of chirps over noise, as Ogg: two to six windows."""
    import soundfile

    rate, seconds = 22050, float(rng.uniform(6, 16))
    time_s = np.arange(int(rate * seconds)) / rate
    chirp = np.sin(2 * np.pi * (3000 + 1200 * np.sin(2 * np.pi * 3 * time_s)) * time_s)
    sound = 0.3 * chirp * (np.sin(2 * np.pi * 0.7 * time_s) > 0) + 0.02 * rng.standard_normal(len(time_s))
    file = io.BytesIO()
    soundfile.write(file, sound.astype(np.float32), rate, format="OGG", subtype="VORBIS")
    return file.getvalue()


_BODIES: dict[str, Callable[[np.random.Generator], bytes]] = {
    "image": _picture,
    "text": _text,
    "audio": _sound,
}
