"""A workspace in which every toy has gone the whole road, made once; tests copy what they change."""

import os

import pytest

from holdfast.core.workspace import Workspace
from holdfast.testing.toys import write_attributes, write_images, write_sounds, write_texts
from tests.journey import SETTINGS, Road, overrides

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is imported


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    from holdfast.data import SourceOptions
    from holdfast.workflows.up import up

    folder = tmp_path_factory.mktemp("road")
    write_images(folder / "shapes", per_class=40)
    write_sounds(folder / "sounds", per_class=20)
    write_texts(folder / "words.csv", per_class=80)
    write_attributes(folder / "colours", samples=160)
    workspace = Workspace(folder / "workspace")
    road = Road(folder, workspace, {})
    for name in SETTINGS:
        options = SourceOptions(group="person_id") if name == "colours" else SourceOptions()
        source = road.source(name)
        road.results[name] = up(source, workspace, options=options, overrides=overrides(name), force=True)
    return road
