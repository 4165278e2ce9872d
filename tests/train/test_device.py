"""What training runs on."""

import os

import pytest
import torch

from holdfast.config.schema import DeviceConfig
from holdfast.core.errors import ConfigError
from holdfast.train.device import pick_device, repeatable


def test_a_device_that_is_not_there_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    with pytest.raises(ConfigError, match=r"no cuda device that torch can use\nhint: it has: cpu"):
        pick_device(DeviceConfig(name="cuda"))


def test_fp16_is_refused_where_it_would_be_slow_and_wrong() -> None:
    with pytest.raises(ConfigError, match="fp16 needs a CUDA device, and this is cpu"):
        pick_device(DeviceConfig(name="cpu", precision="fp16"))


@pytest.mark.parametrize(("has_bf16", "precision"), [(True, "bf16"), (False, "fp16")])
def test_auto_takes_the_best_there_is(has_bf16, precision, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bf16)

    device = pick_device(DeviceConfig())

    assert (device.torch.type, device.precision, device.threads) == ("cuda", precision, os.cpu_count())


def test_settings_come_back_after_an_error_too() -> None:
    before = torch.get_num_threads()
    device = pick_device(DeviceConfig(name="cpu", threads=before + 1))

    def settings() -> tuple[int, bool]:
        return torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()

    def fail() -> None:
        with repeatable(device):
            within.append(settings())
            raise KeyError

    within: list[tuple[int, bool]] = []
    with pytest.raises(KeyError):
        fail()

    assert within == [(before + 1, True)]
    assert settings() == (before, False)
