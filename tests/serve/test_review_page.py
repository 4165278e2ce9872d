"""The review page in a real Chromium, by keyboard alone: what was sent shows, and one key labels it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.bundle import open_bundle
from holdfast.core.media import Modality
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_bundle, toy_item
from tests.browsing import picture, serious, shoot, sound, texts, wait, wait_for
from tests.journals import settings
from tests.journals import wait_for as wait_until

pytestmark = pytest.mark.browser

Engines = Callable[..., Engine]
Serve = Any
TEXTS = (
    "The harbour lay still, and a gull walked along the wall.",
    "Heather on the slope, and a cliff over the hill.\n\n<b>A path</b> of stone & rain.",
    "fish and tide, sail and wave",
)


def fill(client: httpx.Client, folder: Path, modality: Modality, count: int = 3) -> list[dict[str, Any]]:
    """Ask for some predictions; those that come first on the page first."""
    for number in range(count):
        if modality == "text":
            item, name = TEXTS[number].encode(), f"letter {number}.txt"
        elif number == 0:
            path = picture(folder / "sunset.png") if modality == "image" else sound(folder / "chirp.wav")
            item, name = path.read_bytes(), path.name
        else:
            item, name = toy_item(modality, number), f"<i>{number}</i>.bin"
        client.post("/predict", files={"file": (name, item)})
    wait_until(lambda: len(listed(client, labelled="all")) == count)
    return listed(client)


def listed(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    return list(client.get("/review/items", params=query).json()["items"])


def truths(client: httpx.Client) -> dict[str, list[str]]:
    return {it["id"]: it["truth"]["labels"] for it in listed(client, labelled="yes")}


def opened(page: Any, client: httpx.Client) -> None:
    page.get(str(client.base_url.join("/review")))
    wait(page, "body[data-state=ready]")


def press(page: Any, *keys: str) -> None:
    page.switch_to.active_element.send_keys(*keys)


def on(page: Any, item: dict[str, Any]) -> None:
    wait_for(page, f"return document.body.dataset.item === '{item['id']}'")


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_predictions_are_labelled_by_keyboard_alone(
    page: Any, serve: Serve, engines: Engines, tmp_path: Path, modality: Modality
) -> None:
    from selenium.webdriver.common.keys import Keys

    engine = engines(modality)
    with serve(engine, journal=settings(where=tmp_path / "kept", inputs=1.0)) as client:
        first, second, third = fill(client, tmp_path, modality)
        opened(page, client)
        on(page, first)
        assert texts(page, "#name") == [first["name"]]
        assert texts(page, ".labels .text") == engine.labels
        assert texts(page, ".labels kbd") == ["1", "2", "3"]
        assert serious(page) == []
        shoot(page, f"review-{modality}")

        press(page, "3")
        on(page, second)
        assert truths(client) == {first["id"]: [engine.labels[2]]}
        press(page, Keys.ENTER)  # the model is right
        on(page, third)
        assert truths(client)[second["id"]] == second["labels"]
        press(page, "u")
        on(page, second)
        assert set(truths(client)) == {first["id"]}
        press(page, Keys.ARROW_LEFT)
        on(page, first)
        press(page, "1")  # a second thought
        on(page, second)
        assert truths(client) == {first["id"]: [engine.labels[0]]}
        press(page, Keys.ARROW_RIGHT)
        on(page, third)
        press(page, "2")
        wait_for(page, "return !document.getElementById('empty').hidden")
        assert texts(page, "#empty-title") == ["All done"]
        assert "2 of 3 labelled" in texts(page, "#progress")[0]
        assert serious(page) == []
        press(page, Keys.SHIFT + Keys.TAB)  # up to the filters
        wait_for(page, "return document.activeElement.closest('#filters, .top') !== null")


def test_what_was_sent_shows_and_plays(page: Any, serve: Serve, engines: Engines, tmp_path: Path) -> None:
    for modality in ("image", "audio", "text"):
        with serve(engines(modality), journal=settings(where=tmp_path / modality, inputs=1.0)) as client:
            (item,) = fill(client, tmp_path, modality, 1)  # type: ignore[arg-type]
            opened(page, client)
            on(page, item)
            if modality == "image":
                wait_for(page, "return document.querySelector('.picture').naturalWidth === 400")
            elif modality == "audio":
                wait_for(page, "return document.querySelector('audio').duration === 4")
                press(page, " ")
                wait_for(page, "return !document.querySelector('audio').paused")
                wait_for(page, "return document.querySelector('canvas').width > 300")
            else:
                assert texts(page, ".words") == [TEXTS[0]]


def test_of_many_labels_any_number_is_chosen_and_saved(
    page: Any, serve: Serve, engines: Engines, tmp_path: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    engine = engines("image", "multi")
    with serve(engine, journal=settings(where=tmp_path / "kept", inputs=1.0)) as client:
        first, second = fill(client, tmp_path, "image", 2)
        opened(page, client)
        on(page, first)
        expected = [
            label for label in engine.labels if (label in first["labels"]) != (label == engine.labels[1])
        ]

        press(page, "2")
        assert len(wait(page, ".labels [aria-pressed=true]")) == len(expected)
        shoot(page, "review-multi")
        press(page, Keys.ENTER)
        on(page, second)
        assert truths(client) == {first["id"]: expected}


def test_one_of_many_labels_is_found_by_its_name(page: Any, serve: Serve, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    labels = [
        f"{kind} {name}" for name in ("heron", "gull", "owl", "wren") for kind in ("grey", "blue", "tawny")
    ]
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle", labels=labels)), threads=1)
    with serve(engine, journal=settings(where=tmp_path / "kept", inputs=1.0)) as client:
        first, second = fill(client, tmp_path, "image", 2)
        opened(page, client)
        on(page, first)
        likely = sorted(first["probabilities"], key=first["probabilities"].__getitem__, reverse=True)
        assert texts(page, ".labels .text") == likely[:9]
        assert serious(page) == []
        shoot(page, "review-many")

        press(page, "/")
        press(page, "heron", Keys.ENTER)  # three fit
        press(page, Keys.HOME, "tawny ", Keys.ENTER)
        on(page, second)
        assert truths(client) == {first["id"]: ["tawny heron"]}
    engine.close()


def test_filters_choose_what_is_shown(page: Any, serve: Serve, engines: Engines, tmp_path: Path) -> None:
    with serve(engines("image"), journal=settings(where=tmp_path / "kept", inputs=1.0)) as client:
        fill(client, tmp_path, "image", 3)
        newest = listed(client, show="recent")
        client.post("/feedback", json={"id": newest[1]["id"], "label": "heron"})
        opened(page, client)

        for name, value in (("show", "recent"), ("labelled", "all")):
            page.execute_script(
                "const it = document.querySelector(`[name=${arguments[0]}][value=${arguments[1]}]`)"
                " ?? document.getElementById(arguments[0]);"
                "it.checked = true; it.value = arguments[1];"
                "it.dispatchEvent(new Event('change', { bubbles: true }));",
                name,
                value,
            )
        on(page, newest[0])
        wait_for(page, "return document.getElementById('progress').textContent.startsWith('1 of 3')")
        page.execute_script("document.getElementById('desk').focus()")
        press(page, "\ue014")  # to the right
        on(page, newest[1])
        assert "It is labelled heron" in texts(page, "#model")[0]


def test_a_label_that_is_not_taken_says_so_and_stays(
    page: Any, serve: Serve, engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no room")

    with serve(engines("image"), journal=settings(where=tmp_path / "kept", inputs=1.0)) as client:
        (item,) = fill(client, tmp_path, "image", 1)
        opened(page, client)
        on(page, item)
        with monkeypatch.context() as patch:
            patch.setattr("holdfast.monitor.segments._write", full)
            patch.setattr("holdfast.serve.feedback._PATIENCE_S", 0.1)
            press(page, "1")
            assert texts(page, ".error strong") == ["The labels could not be written yet"]
        assert page.execute_script("return document.body.dataset.item") == item["id"]
        page.get_log("browser")  # Chromium itself notes the answer of 503


def test_the_page_asks_for_a_key_where_the_server_does(
    page: Any, serve: Serve, engines: Engines, tmp_path: Path
) -> None:
    from holdfast.serve.keys import new_key, write_keys

    key, kept = new_key("ann")
    write_keys(tmp_path / "keys.json", [kept])
    place = settings(where=tmp_path / "kept", inputs=1.0)
    with serve(engines("image"), journal=place, keys=str(tmp_path / "keys.json")) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        (item,) = fill(client, tmp_path, "image", 1)
        page.get(str(client.base_url.join("/review")))
        wait(page, "#key")
        press(page, key, "\ue007")
        on(page, item)
        press(page, "1")
        wait_for(page, "return !document.getElementById('empty').hidden")
        assert listed(client, labelled="yes")[0]["truth"]["by"] == "key ann"
    page.get_log("browser")  # Chromium itself notes the answer of 401


def test_the_page_is_dark_where_that_is_preferred_and_fits_a_phone(
    page: Any, serve: Serve, engines: Engines, tmp_path: Path
) -> None:
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    with serve(engines("image"), journal=settings(where=tmp_path / "kept", inputs=1.0)) as client:
        (item,) = fill(client, tmp_path, "image", 1)
        try:
            page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            opened(page, client)
            on(page, item)
            assert serious(page) == []
            shoot(page, "review-dark")
            page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
            page.execute_script("document.querySelector('#name').textContent = 'a long name '.repeat(9)")
            page.execute_script("document.querySelector('#input img').width = 2000")
            assert page.execute_script("return document.documentElement.scrollWidth") <= 390
            shoot(page, "review-phone")
        finally:
            page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_main_page_leads_here_and_everybody_can_use_it(
    page: Any, serve: Serve, engines: Engines, tmp_path: Path
) -> None:
    for modality in ("image", "audio", "text"):
        with serve(engines(modality), journal=settings(where=tmp_path / modality, inputs=1.0)) as client:
            page.get(str(client.base_url))
            wait(page, "body[data-state=ready]")
            assert texts(page, "#review") == ["Review"]
            if modality == "text":
                wait(page, "#text")[0].send_keys("a gull", "\ue009", "\ue007")
            else:
                path = picture(tmp_path / "a.png") if modality == "image" else sound(tmp_path / "a.wav")
                wait(page, "#file")[0].send_keys(str(path))
            wait(page, ".card[data-state=done]")
            assert serious(page) == []
            if modality == "image":
                page.get(str(client.base_url.join("/docs")))
                wait(page, "section h2")
                assert serious(page) == []
