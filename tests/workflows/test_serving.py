"""What a reference means is looked up cheaply, and opened only when it is to be served."""

from pathlib import Path

import pytest

from holdfast.config.schema import GateConfig
from holdfast.core.errors import RefError
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.registry import Registry
from holdfast.testing.bundles import toy_bundle
from holdfast.workflows.serving import finder


def test_an_alias_is_found_where_it_points_now(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    registry, find = Registry(workspace.models), finder(workspace)
    for seed in (1, 2):
        registry.register("toys", toy_bundle(tmp_path / str(seed), seed=seed), run=f"r{seed}")
    registry.promote(parse_ref("toys@1"), gate=GateConfig())
    before, open_before = find("toys@champion")

    registry.promote(parse_ref("toys@2"), gate=GateConfig(), force=True)
    after, open_after = find("toys@champion")

    assert (before, after) == ("toys@1", "toys@2")
    assert open_before().digest != open_after().digest
    with pytest.raises(RefError):
        find("birds")


def test_a_bundle_in_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    folder = toy_bundle(tmp_path / "toys")

    ref, open_it = finder(Workspace(tmp_path / "home"))(str(folder))

    assert ref == "toys"
    assert open_it().folder == folder
