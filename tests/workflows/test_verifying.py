"""What is wrong with a model is told in lines."""

from pathlib import Path

from holdfast.core.workspace import Workspace
from holdfast.testing.bundles import toy_bundle
from holdfast.workflows.models import models_verify


def test_each_problem_of_a_bundle_is_one_line(tmp_path: Path) -> None:
    bundle = toy_bundle(tmp_path / "toys")
    (bundle / "model.onnx").write_bytes(b"x")

    told = models_verify(str(bundle), Workspace(tmp_path / "home"))

    assert not told["ok"]
    assert "model.onnx: " in told["problems"][0]
    assert "\n" not in told["problems"][0]
