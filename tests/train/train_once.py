"""Trains on a toy dataset in a process of its own, so that a test can kill it. Not a test itself."""

import sys
from pathlib import Path

from holdfast.config import load_config
from holdfast.core.refs import Ref
from holdfast.data import open_version
from holdfast.modality import prepare
from holdfast.tracking import open_run
from holdfast.train import fit


def main() -> None:
    store, name, runs, *overrides = sys.argv[1:]
    with open_version(Path(store), Ref(name)) as version:
        config = load_config(overrides, recipe=version.info.modality).config
        with open_run(Path(runs), name=name, key="key", details={"config": {}, "dataset": "toy@1"}) as run:
            fit(config, version, prepare(config.prepare), run)
            run.finish()


if __name__ == "__main__":
    main()
