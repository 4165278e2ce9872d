"""Threads and precision: measured where it pays, kept where a run goes on."""

from dataclasses import replace

import pytest
import torch

from holdfast.config.schema import DeviceConfig
from holdfast.train import pace
from holdfast.train.device import Device
from holdfast.train.pace import choices, find_pace, name_of

CPU = Device(torch.device("cpu"), "fp32", 2)
OPTIONS = choices(DeviceConfig(), CPU)


@pytest.fixture
def machine(monkeypatch):
    """A clock that only steps move, by what a step takes on each choice."""

    def make(**seconds: float):
        now = [0.0]
        steps: list[str] = []

        def step(device: Device) -> None:
            name = f"{device.precision}_{device.threads}"
            steps.append(name)
            now[0] += seconds[name]

        monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
        return step, steps

    return make


def test_the_fastest_is_chosen_where_it_is_clearly_faster(machine) -> None:
    step, _ = machine(fp32_2=1.0, fp32_1=0.7, bf16_2=0.5, bf16_1=0.45)

    found = find_pace(OPTIONS, step, steps=1000)

    assert name_of(found.device) == "bf16 on 2 threads"
    assert found.seconds["bf16 on 1 thread"] == pytest.approx(0.45)


def test_a_little_faster_is_not_enough(machine) -> None:
    step, _ = machine(fp32_2=1.0, fp32_1=0.9, bf16_2=0.95, bf16_1=0.85)

    assert find_pace(OPTIONS, step, steps=1000).device == CPU


def test_a_short_training_is_not_measured(machine) -> None:
    step, steps = machine(fp32_2=0.1, fp32_1=0.01, bf16_2=0.01, bf16_1=0.01)

    found = find_pace(OPTIONS, step, steps=100)

    assert (found.device, found.seconds) == (CPU, {})
    assert steps == ["fp32_2"] * 2


def test_measuring_takes_its_share_of_a_slow_training_and_no_more(machine) -> None:
    step, steps = machine(fp32_2=10.0, fp32_1=20.0, bf16_2=2.0, bf16_1=4.0)

    found = find_pace(OPTIONS, step, steps=20)

    assert len(steps) == 2 + len(OPTIONS)
    assert name_of(found.device) == "bf16 on 2 threads"


def test_what_the_settings_say_is_not_measured() -> None:
    given = DeviceConfig(threads=2, precision="bf16")

    assert choices(given, replace(CPU, precision="bf16")) == [replace(CPU, precision="bf16")]
    assert choices(DeviceConfig(), Device(torch.device("cuda"), "bf16", 2)) == [
        Device(torch.device("cuda"), "bf16", 2)
    ]


def test_a_run_that_goes_on_keeps_what_it_began_with(toy, new_run) -> None:
    data = toy("image")
    config = data.config("device.threads=0", "device.precision=auto")
    with new_run() as run:
        run.update(device="cpu", precision="bf16", threads=1)

        device = pace.settle_device(config, data.version, data.preparation(config), run)

    assert (device.precision, device.threads) == ("bf16", 1)


def test_a_real_network_is_measured_and_its_run_remembers(toy, new_run, monkeypatch) -> None:
    data = toy("image")
    config = data.config("device.threads=0", "device.precision=auto")
    monkeypatch.setattr(pace, "_WORTH_S", 0.0)
    monkeypatch.setattr(pace, "_BUDGET", 1e9)
    with new_run() as run:
        device = pace.settle_device(config, data.version, data.preparation(config), run)

        measured = run.info.facts["step_s"]
        assert len(measured) == len(choices(config.device, pace.pick_device(config.device)))
        assert all(0 < seconds < 10 for seconds in measured.values())
        assert (run.info.facts["precision"], run.info.facts["threads"]) == (device.precision, device.threads)
