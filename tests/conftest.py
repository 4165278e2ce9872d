"""What tests share: a workspace in which every toy has gone the whole road, made once, and a browser."""

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from holdfast.core.workspace import Workspace
from holdfast.testing.toys import write_attributes, write_images, write_sounds, write_texts
from tests.journey import SETTINGS, Road, overrides

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is imported
settings.register_profile("busy", deadline=None)  # the first example may be the one that loads a library
settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes share the tests file by file, those on the road together, which is long to make."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the road, and go on with the last files: the longest are among them.

    It is the short ones that should be left when a process has nothing more to do.
    """
    place = {_group(item.nodeid): place for place, item in enumerate(items)} | {"road": len(items)}
    items.sort(key=lambda item: -place[_group(item.nodeid)])


def _group(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return "road" if _is_on_the_road(file) else file


@cache
def _is_on_the_road(file: str) -> bool:
    return "road: Road" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8")


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium with its console kept."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver must be installed where CI is set")
        pytest.skip("chromium or chromedriver is not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,950"):
        options.add_argument(flag)
    it = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield it
    it.quit()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """The browser; afterwards, nothing may stand in its console (such as a breach of the CSP)."""
    browser.get_log("browser")
    yield browser
    assert [line["message"] for line in browser.get_log("browser")] == []
