"""The text system on real data: human or AI, on texts of known domains and of domains that it never saw."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions, open_version
from holdfast.workflows.datasets import data_add
from holdfast.workflows.evaluating import evaluate_model
from holdfast.workflows.training import train_run

KNOWN, STRANGE = "ai_text", "other_domains"
_MEASURES = (("ai_text, by group", 0.73, 0.76), ("ai_text → other_domains.csv", 0.62, 0.68))


def rows(data: Path, home: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Two rows: accuracy on held-out groups, and on the domains that training has none of.

    Each row has the measure, its floor and aim, the mean score over the seeds and each of them, the
    accuracy of the baselines (which learn from the same training split), and the CPU-minutes of training.
    The split does not depend on the seed.
    """
    workspace = Workspace(home)
    data_add(data / "ai_text" / "texts.csv", workspace, name=KNOWN, options=SourceOptions(group="group"))
    whole = SourceOptions(group="group", test_share=1, valid_share=0)
    data_add(data / "ai_text" / "other_domains.csv", workspace, name=STRANGE, options=whole)
    told: list[list[dict[str, Any]]] = [[], []]
    minutes = []
    for seed in seeds:
        began = time.process_time()
        trained = train_run(KNOWN, workspace, overrides=["recipe=ai_text", f"train.seed={seed}"])
        minutes.append((time.process_time() - began) / 60)
        told[0].append(trained)
        told[1].append(evaluate_model(trained["model"], workspace, dataset=STRANGE))
    halves = half_baselines(workspace)
    return [
        {
            "measure": f"{measure}: accuracy",
            "floor": floor,
            "aim": aim,
            "score": float(np.mean([_accuracy(one["metrics"]) for one in each])),
            "scores": [_accuracy(one["metrics"]) for one in each],
            "majority": _accuracy(each[0]["baselines"]["majority"]),
            "TF-IDF words + characters": _accuracy(each[0]["baselines"]["simple"]),
            **halves[name],
            "CPU-minutes of training": float(np.mean(minutes)),
        }
        for (measure, floor, aim), each, name in zip(_MEASURES, told, (KNOWN, STRANGE), strict=True)
    ]


def half_baselines(workspace: Workspace) -> dict[str, dict[str, float]]:
    """Accuracy of logistic regression on words alone and on characters alone, for each dataset."""
    with (
        open_version(workspace.datasets, parse_ref(KNOWN)) as known,
        open_version(workspace.datasets, parse_ref(STRANGE)) as strange,
    ):
        train = known.indices("train")
        texts = [known.read(int(row)).decode() for row in train]
        answers: dict[str, dict[str, float]] = {KNOWN: {}, STRANGE: {}}
        for title, kind in _KINDS.items():
            model = _regression(texts, known.targets[train], known.groups[train], kind)
            for name, version in ((KNOWN, known), (STRANGE, strange)):
                test = version.indices("test", headline=True)
                said = model.predict([version.read(int(row)).decode() for row in test])
                answers[name][title] = float((said == version.targets[test]).mean())
        return answers


_KINDS: dict[str, dict[str, Any]] = {
    "TF-IDF words": {"analyzer": "word", "ngram_range": (1, 2)},
    "TF-IDF characters": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}


def _regression(texts: Sequence[str], targets: np.ndarray, groups: np.ndarray, kind: dict[str, Any]) -> Any:
    """Regularised as cross-validation over groups within the training split prefers."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline

    pipe = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2, **kind), LogisticRegression(max_iter=1000)
    )
    search = GridSearchCV(pipe, {"logisticregression__C": [1, 10, 100]}, cv=GroupKFold(3))
    return search.fit(texts, targets, groups=groups)


def _accuracy(metrics: dict[str, Any]) -> float:
    return float(metrics["accuracy"]["value"])
