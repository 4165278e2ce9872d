"""What one training is: what the lead of a team knows, in words that make another process know it too."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from holdfast.config.schema import Config
from holdfast.core.refs import Ref
from holdfast.data import Version, open_version
from holdfast.modality import Preparation, prepare
from holdfast.modality.text import TextPreparation
from holdfast.train.device import Device


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and where it is kept.

    Attributes:
        config: every dial.
        version: the data.
        preparation: how samples are decoded.
        device: what the network runs on.
        folder: of the run.
    """

    config: Config
    version: Version
    preparation: Preparation
    device: Device
    folder: Path

    def to_json(self) -> str:
        """What `open_job` reads."""
        preparation, info = self.preparation, self.version.info
        return json.dumps(
            {
                "config": self.config.model_dump(mode="json"),
                "store": str(self.version.folder.parents[2].resolve()),
                "dataset": [info.name, info.version],
                "tokenizer": preparation.tokenizer.decode()
                if isinstance(preparation, TextPreparation)
                else None,
                "device": [self.device.torch.type, self.device.precision, self.device.threads],
                "folder": str(self.folder.resolve()),
            }
        )


@contextmanager
def open_job(text: str) -> Iterator[Job]:
    """The job that another process of this machine has written, with its data open for reading.

    Raises:
        DataError: if the data is damaged.
        RefError: if it is not there any more.
    """
    told = json.loads(text)
    config = Config.model_validate(told["config"])
    name, number = told["dataset"]
    tokenizer = told["tokenizer"] and told["tokenizer"].encode()
    kind, precision, threads = told["device"]
    with open_version(Path(told["store"]), Ref(name, version=number)) as version:
        yield Job(
            config,
            version,
            prepare(config.prepare, tokenizer),
            Device(torch.device(kind), precision, threads),
            Path(told["folder"]),
        )
