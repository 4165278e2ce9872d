"""The measure of all servers: decoding and onnxruntime in threads, with nothing in between.

    python -m benchmarks.serving_raw BUNDLE FOLDER

A line `{"threads": 2, "each": 1, "seconds": 3}` comes in: so many threads decode a file and run the graph on
it again and again, each run on `each` cores; one goes out, with how many were done, and what it took.
"""

import itertools
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any


def main(bundle_folder: str, folder: str) -> None:
    import onnxruntime

    from holdfast.bundle import open_bundle
    from holdfast.modality import prepare

    bundle = open_bundle(Path(bundle_folder))
    preparation = prepare(bundle.manifest.prepare, bundle.tokenizer)
    bodies = [path.read_bytes() for path in sorted(Path(folder).glob("good-*"))]

    @cache
    def session(each: int) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = each, 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])

    for line in sys.stdin:
        asked = json.loads(line)
        graph, turns = session(asked["each"]), itertools.cycle(bodies)
        end = time.perf_counter() + asked["seconds"]

        def again(graph: Any = graph, turns: Any = turns, end: float = end) -> list[float]:
            ms = []
            while (began := time.perf_counter()) < end:
                parts = preparation.decode(next(turns))
                graph.run(["probabilities"], {"input": preparation.collate(list(parts))})
                ms.append(1000 * (time.perf_counter() - began))
            return ms

        began, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(asked["threads"]) as pool:
            done = [future.result() for future in [pool.submit(again) for _ in range(asked["threads"])]]
        told = {
            "wall_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - cpu,
            "ms": [round(each, 3) for part in done for each in part],
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
