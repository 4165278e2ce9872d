"""The birds recipe on three folds over recordings, beside the nearest neighbours of mel features.

`python -m benchmarks.recipes_birds DATA` trains once per fold and prints a row for each. A fold
tests on every third recording of each species, in the order of their numbers, and trains on all others:
without validation, for each species has few recordings, so the last epoch's averaged weights count.
"""

import argparse
import csv
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDS = 3
_NEIGHBOURS = (1, 3, 5, 9, 15, 25)
_OVERRIDES = ("recipe=birds", "device.threads=1", "device.precision=bf16", "evaluate.baselines=false")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--home", type=Path, help="keep the workspace in this folder")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    parser.add_argument("--fold", type=int, action="append", choices=range(FOLDS))
    options = parser.parse_args()
    from holdfast.cli.show import table

    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        found = measured(options.data, home, range(options.seeds), options.fold or range(FOLDS))
        print(table(found, list(found[0])))
    return 0


def rows(data: Path, home: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One row: the mean over all folds, and that of each seed.

    Args:
        data: the folder that holds `birds`.
        home: of the workspace to train in.
        seeds: of the trainings; the folds are always the same.
    """
    found = measured(data, home, seeds, range(FOLDS))
    scores = [sum(row["accuracy"] for row in found if row["seed"] == seed) / FOLDS for seed in seeds]
    return [
        {
            "measure": "birds, 3 folds over recordings: clip accuracy, mean",
            "floor": 0.60,
            "aim": 0.68,
            "score": sum(scores) / len(scores),
            "scores": scores,
            **{f"fold {fold}": _mean(found, "accuracy", fold) for fold in range(FOLDS)},
            "kNN on mel features": sum(row["kNN accuracy"] for row in found) / len(found),
            "CPU-minutes of training": sum(row["CPU minutes"] for row in found) / len(found),
        }
    ]


def measured(data: Path, home: Path, seeds: Sequence[int], folds: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each fold and seed."""
    found = []
    for fold in folds:
        name, neighbours = _fold(data / "birds", home, fold)
        for seed in seeds:
            row = {"fold": fold, "seed": seed, **_trained(name, home, seed), "kNN accuracy": neighbours}
            print(row, file=sys.stderr, flush=True)
            found.append(row)
    return found


def _mean(found: Sequence[dict[str, Any]], key: str, fold: int) -> float:
    values = [row[key] for row in found if row["fold"] == fold]
    return float(sum(values) / len(values))


def fold_of(metadata: Sequence[dict[str, str]]) -> dict[str, int]:
    """The fold in which each recording is tested: dealt out in turn among those of its species."""
    of_label: dict[str, set[str]] = defaultdict(set)
    for row in metadata:
        of_label[row["label"]].add(row["recording_id"])
    return {name: i % FOLDS for names in of_label.values() for i, name in enumerate(sorted(names))}


def _fold(birds: Path, home: Path, fold: int) -> tuple[str, float]:
    """The name of a dataset that tests on the fold's recordings, and the accuracy of the neighbours."""
    from holdfast.core.refs import Ref
    from holdfast.core.workspace import Workspace
    from holdfast.data import SourceOptions, open_version
    from holdfast.workflows.datasets import data_add

    name, workspace = f"birds_fold{fold}", Workspace(home)
    with (birds / "metadata.csv").open(newline="") as file:
        metadata = list(csv.DictReader(file))
    held_out = {recording for recording, number in fold_of(metadata).items() if number == fold}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "birds"
        shutil.copytree(birds, source)
        with (source / "metadata.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "label", "recording_id", "split"])
            for row in metadata:
                split = "test" if row["recording_id"] in held_out else "train"
                writer.writerow([row["file"], row["label"], row["recording_id"], split])
        options = SourceOptions(label="label", group="recording_id", split="split", valid_share=0)
        data_add(source, workspace, name=name, options=options)
    with open_version(workspace.datasets, Ref(name)) as version:
        return name, _neighbours(version)


def _trained(name: str, home: Path, seed: int) -> dict[str, float]:
    from holdfast.core.workspace import Workspace
    from holdfast.workflows.training import train_run

    began = time.process_time()
    settings = [*_OVERRIDES, f"train.seed={seed}"]
    metrics = train_run(name, Workspace(home), overrides=settings)["metrics"]
    return {
        "accuracy": metrics["accuracy"]["value"],
        "macro-F1": metrics["macro_f1"]["value"],
        "CPU minutes": (time.process_time() - began) / 60,
    }


def _neighbours(version: Any) -> float:
    """Accuracy on the test split; how many neighbours is chosen on a third of the training recordings."""
    import numpy as np

    from holdfast.config.schema import AudioPrepare
    from holdfast.modality import prepare
    from holdfast.models import MelFront

    decode, front = prepare(AudioPrepare()).decode, MelFront(AudioPrepare()).train()
    train, test = version.indices("train"), version.indices("test")
    features = {index: _features(front, decode(version.read(int(index)))) for index in [*train, *test]}
    metadata = [
        {"label": str(version.targets[index]), "recording_id": str(version.groups[index])} for index in train
    ]
    folds = fold_of(metadata)
    first = np.array([folds[row["recording_id"]] == 0 for row in metadata])

    def score(k: int, learnt: Any, asked: Any) -> float:
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        sides = [np.stack([features[index] for index in rows]) for rows in (learnt, asked)]
        model = make_pipeline(StandardScaler(), KNeighborsClassifier(k))
        return float(model.fit(sides[0], version.targets[learnt]).score(sides[1], version.targets[asked]))

    best = max(_NEIGHBOURS, key=lambda k: score(k, train[~first], train[first]))
    return score(best, train, test)


def _features(front: Any, windows: Any) -> Any:
    """Mean and deviation of each mel band in decibels below the loudest point, over frames with sound."""
    import numpy as np
    import torch

    mel = front.mel(torch.from_numpy(windows)).transpose(0, 1).flatten(1)
    heard = mel[:, mel.amax(dim=0) > 1e-9 * mel.max()]
    decibels = 10 * torch.log10(heard / mel.max() + 1e-6)
    return np.concatenate([decibels.mean(dim=1).numpy(), decibels.std(dim=1).numpy()])


if __name__ == "__main__":
    sys.exit(main())
