"""What counts as a model, and as loading by several workers."""

from pathlib import Path

import pytest

from holdfast.checklist import check

_TRAINER = "from transformers import AutoModel, AutoTokenizer, Trainer, TrainingArguments\n"


@pytest.mark.parametrize(
    ("code", "training", "loading"),
    [
        ("Trainer(AutoModel.from_pretrained('a')).train()\n", "yes", "no"),
        ("Trainer(AutoTokenizer.from_pretrained('a')).train()\n", "no", "no"),
        ("from sklearn.preprocessing import StandardScaler\nStandardScaler().fit([])\n", "no", "no"),
        ("from sklearn.svm import SVC\nSVC().fit([], [])\n", "yes", "no"),
        ("TrainingArguments('out', dataloader_num_workers=2)\n", "no", "yes"),
        ("TrainingArguments('out', dataloader_num_workers=0)\n", "no", "no"),
        ("TrainingArguments('out', num_workers=2)\n", "no", "no"),
        ("from torch.utils.data import DataLoader\nDataLoader([], num_workers=2)\n", "no", "yes"),
    ],
)
def test_what_only_prepares_is_no_model_and_workers_have_their_names(
    code: str, training: str, loading: str, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(_TRAINER + code)

    answers = {item["id"]: item["answer"] for item in check(tmp_path)["items"]}

    assert (answers["training"], answers["loading"]) == (training, loading)
