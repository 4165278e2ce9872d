import re
from pathlib import Path
from typing import Any

import pytest

from holdfast.sweep.page import page, write_page

ROOT = Path(__file__).resolve().parents[2]


def result(**changes: Any) -> dict[str, Any]:
    trials = [
        {
            "number": number,
            "state": state,
            "value": value,
            "settings": {
                "optim.lr": 10.0**-number,
                "model.width": 16 + 8 * (number % 2),
                "model.name": "a<b",
            },
            "epochs": len(curve),
            "curve": dict(enumerate(curve, 1)),
            "seconds": 3.21,
            "run": f"toys-{number}",
            "reason": reason,
            "threads": 1,
        }
        for number, (state, value, curve, reason) in enumerate(
            [
                ("finished", 0.81, [0.4, 0.81], None),
                ("pruned", 0.3, [0.3], None),
                ("failed", None, [], "HoldfastError: the loss is nan & training has <diverged>"),
                ("finished", 0.92, [0.6, 0.92], None),
            ]
        )
    ]
    return {
        "sweep": "toys-1234",
        "dataset": "toys@1",
        "metric": "macro_f1",
        "goal": "maximize",
        "method": "tpe",
        "pruning": "median",
        "dials": ["optim.lr: 1e-05 to 1, log scale"],
        "log_scale": ["optim.lr"],
        "notes": ["20 trials"],
        "counts": {"finished": 2, "pruned": 1, "failed": 1, "running": 0},
        "trials": trials,
        "best": trials[3],
        "importance": {"optim.lr": 0.7, "model.width": 0.2, "model.name": 0.1},
        "command": "holdfast train toys@1 optim.lr=0.001 'model.name=a<b'",
        "page": "report.html",
        **changes,
    }


def test_the_page_needs_nothing_else() -> None:
    text = page(result())

    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)
    assert "<script" not in text
    assert "http" not in text
    assert len(text) < 30_000


def test_text_is_no_markup() -> None:
    text = page(result(sweep="<i>"))

    assert "<i>" not in text
    assert "a<b" not in text
    assert "<diverged>" not in text
    assert "holdfast train toys@1 optim.lr=0.001 &#x27;model.name=a&lt;b&#x27;" in text


def test_a_sweep_without_a_trial_has_a_page(tmp_path: Path) -> None:
    write_page(tmp_path / "p.html", result(trials=[], best=None, importance=None, command=None, counts={}))

    assert "no trial has finished yet" in (tmp_path / "p.html").read_text()


@pytest.mark.browser
def test_a_browser_shows_every_plot_in_light_and_dark(browser: Any, tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", result())
    before = browser.get_window_size()
    browser.set_window_size(900, 2200)
    browser.get_log("browser")  # what others left there
    try:
        browser.get((tmp_path / "report.html").as_uri())
        shown = browser.execute_script(
            "return [...document.querySelectorAll('svg')].map((it) => it.getBoundingClientRect().height)"
        )
        rows = browser.execute_script("return document.querySelectorAll('table tr').length")
        bright = browser.execute_script(_GROUND)
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        dark = browser.execute_script(_GROUND)

        assert len(shown) == 4
        assert min(shown) > 80
        assert rows == 1 + 4 + 1  # the failed one has its reason below
        assert (bright, dark) == ("rgb(255, 255, 255)", "rgb(14, 21, 25)")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 900
        assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
        assert browser.get_log("browser") == []
        (ROOT / "artifacts" / "screenshots").mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(ROOT / "artifacts" / "screenshots" / "sweep.png"))
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.set_window_size(before["width"], before["height"])


_GROUND = "return getComputedStyle(document.documentElement).backgroundColor"
