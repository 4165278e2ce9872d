"""Plain settings of a server are read without all that composes the others, and mean the same."""

import pytest

from holdfast.config import load_config
from holdfast.config.serve import ServeConfig, quick_settings

PLAIN = [
    (),
    ("serve.port=9000", "serve.host=0.0.0.0", "serve.open=true"),
    ("serve.max_mb=1e2", "serve.promise_s=.5", "serve.metrics=False"),
    ("serve.keys=/run/secrets/keys.json",),
    ("serve.keys=null", "serve.canary.model=birds@challenger", "serve.canary.share=0.25"),
    ("serve.limits.rate=5", "serve.limits.burst=10", "serve.port=1", "serve.port=2"),
]


@pytest.mark.parametrize("overrides", PLAIN)
def test_plain_settings_mean_what_they_mean_to_the_whole_way(overrides: tuple[str, ...]) -> None:
    quick = quick_settings(overrides)

    assert quick is not None
    assert quick == load_config(overrides).config.serve


@pytest.mark.parametrize(
    "override",
    [
        "serve.prot=9000",
        "serve.port=many",
        "serve.port=-1",
        "serve.cors=[http://a.example]",
        "serve.port=${serve.batch}",
        "serve={port: 1}",
        "~serve.port",
        "+serve.port=1",
        "recipe=text",
        "serve.port.x=1",
        "serve.limits=3",
        "serve.port=",
        "serve.keys='a b'",
    ],
)
def test_everything_else_is_left_to_the_whole_way(override: str) -> None:
    assert quick_settings([override]) is None


def test_the_defaults_are_the_same_for_every_recipe() -> None:
    for recipe in ("image", "audio", "text"):
        assert load_config(recipe=recipe).config.serve == ServeConfig()
