"""Our server as a process: `python -m benchmarks.serving_server BUNDLE SETTINGS`, on the port in PORT."""

import json
import os
import sys
from pathlib import Path


def main(bundle: str, settings: str) -> None:
    from holdfast.bundle import open_bundle
    from holdfast.config.schema import ServeConfig
    from holdfast.serve.app import create_app, run_server
    from holdfast.serve.engine import Engine

    config = ServeConfig(port=int(os.environ["PORT"]), **json.loads(settings))
    engine = Engine(open_bundle(Path(bundle)), threads=config.threads, batch=config.batch)
    run_server(create_app(engine, config, ref="bench"), config)


if __name__ == "__main__":
    main(*sys.argv[1:])
