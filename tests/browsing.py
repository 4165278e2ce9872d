"""What tests of pages do in a browser, and what they show it."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHOTS = ROOT / "artifacts" / "screenshots"


def opened(page: Any, client: httpx.Client) -> None:
    page.get(str(client.base_url))
    wait(page, "body[data-state=ready]")


def wait(page: Any, selector: str, count: int = 1) -> list[Any]:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def found(driver: Any) -> Any:
        elements = driver.find_elements(By.CSS_SELECTOR, selector)
        return elements if len(elements) >= count else False

    return list(WebDriverWait(page, 20).until(found))


def texts(page: Any, selector: str) -> list[str]:
    found = wait(page, selector)
    settle(page)  # what is still transparent has no text for the browser's driver
    return [it.text for it in found]


def settle(page: Any) -> None:
    wait_for(page, "return document.getAnimations().every((it) => it.playState === 'finished')")


def shoot(page: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    settle(page)
    assert page.save_screenshot(str(SHOTS / f"{name}.png"))


def shown(share: float) -> str:
    return f"{share * 100:.1f} %"


def picture(path: Path) -> Path:
    """A picture that is nice to look at: a sunset."""
    from PIL import Image

    y, x = np.mgrid[0:300, 0:400] / 300.0
    sun = np.clip(1.2 - 6 * np.hypot(x - 0.7, y - 0.55), 0, 1)[..., None]
    sky = np.stack([0.25 + 0.7 * y, 0.2 + 0.35 * y, 0.45 - 0.15 * y], axis=-1)
    rgb = np.where((y > 0.7)[..., None], sky[::-1] * 0.55, sky) * (1 - sun) + sun * [1.0, 0.85, 0.5]
    Image.fromarray((rgb.clip(0, 1) * 255).astype(np.uint8)).save(path)
    return path


def sound(path: Path) -> Path:
    """A chirp that rises and falls."""
    import soundfile

    time_s = np.arange(8000 * 4) / 8000
    loud = np.sin(np.pi * time_s / 4) * (0.4 + 0.5 * (np.sin(time_s * 9) > 0))
    soundfile.write(path, loud * np.sin(2 * np.pi * (400 + 300 * np.sin(3 * time_s)) * time_s), 8000)
    return path


def wait_for(page: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 20).until(lambda driver: driver.execute_script(script))


def serious(page: Any) -> list[str]:
    """What keeps people from using the page as it is now, as axe-core sees it."""
    from axe_core_python.selenium import Axe

    settle(page)
    found = Axe().run(page)["violations"]
    return [
        f"{it['id']}: {it['help']}: {[node['html'][:120] for node in it['nodes']][:3]}"
        for it in found
        if it["impact"] in ("serious", "critical")
    ]
