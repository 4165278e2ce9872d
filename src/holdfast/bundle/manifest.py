"""The manifest: what a bundle says of itself, and how that is written and read."""

import json
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from holdfast.config.prepare import Prepare
from holdfast.core.errors import BundleError, listed
from holdfast.core.files import digest_bytes
from holdfast.core.media import Modality, Task

MANIFEST = "manifest.json"
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
REFERENCE = "reference.npz"
EVALUATION = "evaluation.json"
GOLDEN = "golden.json"
ABSTENTION = "abstention.json"
CARD = "CARD.md"
SIGNATURE = "model.sig"
"""Not among the files that have a digest: it is made after them."""

PROTOCOL: Final = 1
"""What this release writes. It reads every protocol up to it."""

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Threshold = Annotated[float, Field(ge=0, le=1)]


class Manifest(BaseModel):
    """All that serving must know before it opens the graph, and where the graph comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    protocol: Literal[1] = PROTOCOL
    """Goes up when an older release could misread the bundle."""
    task: Task
    modality: Modality
    labels: Annotated[list[str], Field(min_length=1)]
    """In the order of the columns of the probabilities."""
    prepare: Prepare
    """The input contract: how bytes become what the graph takes."""
    thresholds: list[_Threshold] | None = None
    """For many labels: the probability from which each one is given. None for one label."""
    files: dict[str, _Digest] = {}
    """SHA-256 of every other file of the bundle; `seal` fills it in."""
    provenance: dict[str, Any] = {}
    """run, dataset, version, fingerprint, git_commit, diff_digest, environment_digest, created;
    of a tuned network `pretrained`: source@revision, or source@digest; of an optimised one `optimized` (how),
    `optimized_from`, `optimized_digest`, and `alone` where its graph must see one sample at a time."""
    metrics: dict[str, dict[str, float | None]] = {}
    """On the held-out split: name → value, low, high."""
    parity: dict[str, float | int] | None = None
    """How far the graph is from the training code: max_difference, equal_labels, samples."""

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        problems = [f"files: {name!r} is not a plain file name" for name in self.files if not is_plain(name)]
        if MANIFEST in self.files:
            problems.append(f"files: {MANIFEST} cannot hold its own digest")
        if len(set(self.labels)) != len(self.labels):
            problems.append("labels: some stand there twice")
        if self.prepare.modality != self.modality:
            problems.append(f"prepare: is for {self.prepare.modality}, but modality is {self.modality}")
        if self.thresholds is not None and (
            self.task == "single" or len(self.thresholds) != len(self.labels)
        ):
            problems.append("thresholds: needs one per label of a multi-label model, and none otherwise")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The files without which a bundle cannot answer."""
        return (MODEL, TOKENIZER) if self.modality == "text" else (MODEL,)


def is_plain(name: str) -> bool:
    """Whether a file name stays in its folder on every system and does not hide.

    >>> is_plain("model.onnx"), is_plain("../model.onnx"), is_plain("C:model.onnx"), is_plain(".hidden")
    (True, False, False, False)
    """
    return _PLAIN.fullmatch(name) is not None


def write_manifest(manifest: Manifest) -> bytes:
    """The text of `manifest.json`, with a digest over its own values, so that damage to it shows too."""
    values = manifest.model_dump(mode="json")
    text = json.dumps({"seal": _seal(values), **values}, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def read_manifest(data: bytes, where: str) -> Manifest:
    """Read `manifest.json`: first its protocol, then its own digest, then the rest.

    Args:
        data: the content of the file.
        where: what to call it in messages.

    Raises:
        BundleError: if it is not one, is of a protocol from the future, is damaged, or says what cannot be.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where} is not JSON ({error})", hint=_FETCH) from None
    protocol = values.get("protocol") if isinstance(values, dict) else None
    if type(protocol) is not int or protocol < 1:
        raise BundleError(f"{where} names no protocol, so this is no bundle", hint=_FETCH)
    if protocol > PROTOCOL:
        raise BundleError(
            f"{where} is of protocol {protocol}, but this release reads protocols up to {PROTOCOL}",
            hint="update holdfast, or export the bundle again with this release",
        )
    if values.pop("seal", None) != _seal(values):
        raise BundleError(f"{where} was changed after it was sealed", hint=_FETCH)
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        problems = [_problem(dict(item)) for item in error.errors()]
        raise BundleError(listed(where, problems), hint="export the bundle again") from None


_FETCH = "take another copy, such as the one in the folder of its run, or train again"


def _seal(values: Any) -> str:
    return digest_bytes(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


def _problem(item: dict[str, Any]) -> str:
    place = ".".join(str(step) for step in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
