"""The page in a real Chromium: a file or a text goes in, and what the engine says shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item
from tests.browsing import opened, picture, serious, shoot, shown, sound, texts, wait, wait_for

pytestmark = pytest.mark.browser

Clients = Callable[..., httpx.Client]
Engines = Callable[..., Engine]


def test_a_picture_goes_in_and_its_label_shows(
    page: Any, clients: Clients, engines: Engines, tmp_path: Path
) -> None:
    path = picture(tmp_path / "sunset &lt; <i>.png")
    engine = engines("image")
    expected = engine.predict([path.read_bytes()]).probabilities
    opened(page, clients("image"))

    wait(page, "#file")[0].send_keys(str(path))
    wait(page, ".card[data-state=done]")

    assert texts(page, ".chosen-label") == engine.labels_of(expected)[0]
    order = np.argsort(-expected[0])
    assert texts(page, ".bars .label") == [engine.labels[index] for index in order]
    assert texts(page, ".bars .value") == [shown(expected[0][index]) for index in order]
    assert texts(page, ".card .name") == ["sunset &lt; <i>.png"]
    assert page.execute_script("return document.querySelector('.picture').naturalWidth") == 400
    assert "toys@3" in texts(page, "#model")[0]
    assert "toy@1" in texts(page, "#facts")[0]
    assert "f" * 12 in texts(page, "#facts")[0]
    assert "0.900" in texts(page, "#facts")[0]
    shoot(page, "image")


def test_a_sound_goes_in_and_its_timeline_shows(
    page: Any, clients: Clients, engines: Engines, tmp_path: Path
) -> None:
    path = sound(tmp_path / "chirp.wav")
    engine = engines("audio")
    expected = engine.predict([path.read_bytes()])
    opened(page, clients("audio"))

    wait(page, "#file")[0].send_keys(str(path))
    wait(page, ".card[data-state=done]")

    assert texts(page, ".chosen-label") == engine.labels_of(expected.probabilities)[0]
    cells = wait(page, ".timeline rect", len(expected.parts[0]) * len(engine.labels))
    assert len(cells) == len(expected.parts[0]) * len(engine.labels)
    lane = engine.labels.index(texts(page, ".timeline .lane-name")[0])
    opacities = [float(it.get_attribute("fill-opacity")) for it in cells[: len(expected.parts[0])]]
    np.testing.assert_allclose(opacities, expected.parts[0][:, lane], atol=1e-6)
    wait_for(page, "return document.querySelector('audio').duration === 4")
    wait_for(page, "return document.querySelector('.timeline canvas').width > 300")
    page.execute_script("document.querySelector('audio').currentTime = 1.5")
    wait_for(page, "return parseFloat(document.querySelector('.head').style.left) === 37.5")
    shoot(page, "audio")


def test_a_text_goes_in_and_its_label_shows(page: Any, clients: Clients, engines: Engines) -> None:
    from selenium.webdriver.common.keys import Keys

    text = "the stone path over the old harbour,\na gull & a <b>boat</b>"
    engine = engines("text")
    expected = engine.predict([text.encode()]).probabilities
    opened(page, clients("text"))

    box = wait(page, "#text")[0]
    box.send_keys(text)
    box.send_keys(Keys.CONTROL, Keys.ENTER)
    wait(page, ".card[data-state=done]")

    assert texts(page, ".chosen-label") == engine.labels_of(expected)[0]
    assert texts(page, ".quote") == [text]
    assert sorted(texts(page, ".bars .value")) == sorted(shown(share) for share in expected[0])
    shoot(page, "text")


def test_many_labels_show_with_their_thresholds(
    page: Any, clients: Clients, engines: Engines, tmp_path: Path
) -> None:
    path = picture(tmp_path / "sunset.png")
    engine = engines("image", "multi")
    chosen = engine.labels_of(engine.predict([path.read_bytes()]).probabilities)[0]
    opened(page, clients("image", "multi"))

    wait(page, "#file")[0].send_keys(str(path))
    wait(page, ".card[data-state=done]")

    assert chosen
    assert sorted(texts(page, ".chosen-label")) == sorted(chosen)
    assert [it.get_attribute("style") for it in wait(page, ".limit")] == ["left: 50%;"] * 3
    shoot(page, "multi")


def test_a_bad_file_among_good_ones_says_so_on_its_own_card(
    page: Any, clients: Clients, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    (tmp_path / "good.png").write_bytes(toy_item("image"))
    opened(page, clients("image"))

    wait(page, "#file")[0].send_keys(f"{tmp_path / 'bad.png'}\n{tmp_path / 'good.png'}")
    wait(page, ".card[data-state=done]")
    wait(page, ".card[data-state=failed]")

    assert texts(page, ".error strong") == ["Not an image (starts with 'not a pi')"]
    assert len(wait(page, ".card")) == 2
    shoot(page, "error")
    refused = [line["message"] for line in page.get_log("browser")]
    assert len(refused) == 1  # Chromium itself notes the answer of 422
    assert "422" in refused[0]


def test_the_api_page_shows_and_sends_examples(page: Any, clients: Clients) -> None:
    page.get(str(clients("image").base_url.join("/docs")))
    button = wait(page, "section[data-path='/predict'] .example button")[0]

    button.click()

    wait_for(page, "return document.querySelector('.example pre[aria-live]').textContent.startsWith('200')")
    assert {"/predict", "/info", "/healthz", "/readyz"} <= set(texts(page, "h2 code"))
    shoot(page, "docs")


def test_the_page_is_dark_where_that_is_preferred_and_fits_a_phone(
    page: Any, clients: Clients, tmp_path: Path
) -> None:
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        opened(page, clients("audio"))
        wait(page, "#file")[0].send_keys(str(sound(tmp_path / "chirp.wav")))
        wait(page, ".card[data-state=done]")

        dark = page.execute_script("return getComputedStyle(document.body.parentElement).backgroundColor")
        assert dark == "rgb(14, 21, 25)"
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
        wait_for(page, "return document.querySelector('.timeline canvas').width > 100")
        shoot(page, "phone")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_key_is_asked_for_and_kept_in_memory_only(
    page: Any, engines: Engines, serve: Any, tmp_path: Path
) -> None:
    from holdfast.serve.keys import new_key, write_keys

    key, kept = new_key("ann")
    write_keys(tmp_path / "k", [kept])
    with serve(engines("text"), keys=str(tmp_path / "k")) as client:
        page.get(str(client.base_url))
        assert page.switch_to.active_element.get_attribute("id") == "key"
        wait(page, "dialog #key")[0].send_keys("wrong\n")
        wait_for(page, "return document.querySelector('dialog label')?.textContent.includes('not valid')")
        shoot(page, "key")
        wait(page, "dialog #key")[0].send_keys(f"{key}\n")
        wait(page, "body[data-state=ready]")

        wait(page, "#text")[0].send_keys("a gull")
        wait(page, "#text-form button")[0].click()
        wait(page, ".card[data-state=done]")

        stored = page.execute_script("return [localStorage.length, sessionStorage.length, document.cookie]")
        refusals = [line["message"] for line in page.get_log("browser")]

    assert stored == [0, 0, ""]
    assert len(refusals) == 2
    assert all("401" in line for line in refusals)


def test_of_several_models_one_is_chosen(page: Any, tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import Select

    from holdfast.bundle import open_bundle
    from holdfast.config.schema import ServeConfig
    from holdfast.serve.app import create_app
    from holdfast.serve.server import running
    from holdfast.testing.bundles import toy_bundle

    toy_bundle(tmp_path / "birds@1", labels=("owl", "gull"))
    toy_bundle(tmp_path / "words@1", modality="text", labels=("sea", "hill"))
    config = ServeConfig(port=0, threads=1)
    engine = Engine(open_bundle(tmp_path / "birds@1"), threads=1)

    def find(asked: str) -> Any:
        return Path(asked).name, lambda: open_bundle(tmp_path / asked)

    words = str(tmp_path / "words@1")
    app = create_app(engine, config, ref="birds@1", asked="birds@1", others=(words,), find=find)
    with running(app, config) as url, httpx.Client(base_url=url) as client:
        opened(page, client)
        chosen = Select(wait(page, "#of")[0])
        assert [it.text for it in chosen.options] == ["birds@1", "words@1"]
        assert serious(page) == []
        shoot(page, "several")

        chosen.select_by_visible_text("words@1")
        wait_for(page, "return document.title.startsWith('words@1')")
        wait(page, "body[data-state=ready]")
        wait(page, "#text")[0].send_keys("the sea")
        wait(page, "#text-form button")[0].click()
        wait(page, ".card[data-state=done]")
        assert sorted(texts(page, ".bars .label")) == ["hill", "sea"]
        assert Select(wait(page, "#of")[0]).first_selected_option.text == "words@1"
    engine.close()
