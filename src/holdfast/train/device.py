"""What training runs on: the device, its precision, and the settings that make torch repeat itself."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch

from holdfast.config.schema import DeviceConfig
from holdfast.core.cores import cores
from holdfast.core.errors import ConfigError


@dataclass(frozen=True)
class Device:
    """Where the network runs, and in which numbers.

    Attributes:
        torch: the device.
        precision: fp32, bf16 or fp16.
        threads: of the CPU.
    """

    torch: torch.device
    precision: str
    threads: int

    def autocast(self) -> AbstractContextManager[object]:
        """Within it, what can be computed in the shorter numbers is."""
        short = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.torch.type, dtype=short, enabled=self.precision != "fp32")


def pick_device(config: DeviceConfig, processes: int = 1) -> Device:
    """The device that a configuration asks for; several processes share the cores.

    Raises:
        ConfigError: if this machine does not have it, or it cannot compute in that precision.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = next(n for n in ("cuda", "mps", "cpu") if there[n]) if config.name == "auto" else config.name
    if not there[name]:
        has = ", ".join(n for n, is_there in there.items() if is_there)
        raise ConfigError(
            f"device.name: this machine has no {name} device that torch can use", hint=f"it has: {has}"
        )
    if config.precision == "fp16" and name != "cuda":
        raise ConfigError(
            f"device.precision: fp16 needs a CUDA device, and this is {name}", hint="take bf16, fp32 or auto"
        )
    precision = config.precision
    if precision == "auto":
        precision = "fp32"
        if name == "cuda":
            precision = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return Device(torch.device(name), precision, config.threads or max(1, cores() // processes))


@contextmanager
def repeatable(device: Device) -> Iterator[None]:
    """Within it, the same seed gives the same numbers, bit for bit; afterwards torch is as it was."""
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    lenient = torch.is_deterministic_algorithms_warn_only_enabled()
    tuned = torch.backends.cudnn.benchmark
    state = torch.get_rng_state()
    if device.torch.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats itself only so
    try:
        torch.set_num_threads(device.threads)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=lenient)
        torch.backends.cudnn.benchmark = tuned
        torch.set_rng_state(state)
