"""How much goes together is measured, where nothing else happens, and kept."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from holdfast.bundle import open_bundle
from holdfast.serve import curve
from holdfast.serve.curve import NAME, Curve
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_bundle


class Model:
    """A graph that takes a known time, by a clock of its own. A real one's speed could not be chosen."""

    threads = 1

    def __init__(self, *, each_s: float, fixed_s: float, tokens: int = 0, wide_s: float = 0.0) -> None:
        self.each_s, self.fixed_s, self.longest, self.wide_s = each_s, fixed_s, tokens, wide_s
        self.tried: list[tuple[int, ...]] = []
        self.now = 0.0

    def blank(self, rows: int, length: int = 0) -> np.ndarray:
        return np.zeros((rows, length) if length else (rows, 1))

    def run_narrow(self, batch: np.ndarray) -> None:
        self.tried.append(batch.shape)
        self.now += self.fixed_s + self.each_s * batch.size

    def run_wide(self, _: np.ndarray) -> None:
        self.now += self.wide_s


def measured(model: Model, most: int = 8) -> Curve:
    real: Any = model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, "time", SimpleNamespace(perf_counter=lambda: model.now))
        return curve.measure(real, most=most)


def test_what_costs_the_same_each_is_not_joined_nor_tried_further() -> None:
    model = Model(each_s=0.01, fixed_s=0.0, wide_s=0.001)

    assert measured(model) == Curve(most=1, tokens=None, wide=True)
    assert max(rows for rows, *_ in model.tried) == 2


def test_what_costs_as_much_together_as_alone_is_joined() -> None:
    assert measured(Model(each_s=0.0, fixed_s=0.01, wide_s=0.05)) == Curve(most=8, tokens=None, wide=False)


def test_short_texts_are_joined_up_to_as_many_tokens_as_paid() -> None:
    found = measured(Model(each_s=0.0002, fixed_s=0.005, tokens=128), most=4)

    assert found.most == 4
    assert found.tokens == 128  # four of 32 take 31 ms, each alone 11; of 128 tokens each alone takes 31
    assert not found.fits(2, 128)


def test_it_is_kept_beside_the_bundle_and_is_no_part_of_it(tmp_path: Path) -> None:
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle")), threads=2)
    assert curve.kept(engine) is None

    found = curve.measure(engine, most=4)
    assert curve.keep(engine, found)

    assert curve.kept(engine) == found
    assert curve.kept(Engine(engine.bundle, threads=1)) is None  # another number of threads, another curve
    assert open_bundle(tmp_path / "bundle").digest == engine.bundle.digest


@pytest.mark.parametrize("text", ["", "[]", "{", '{"most": 3}'])
def test_what_lies_there_and_is_no_curve_is_measured_anew(tmp_path: Path, text: str) -> None:
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle")), threads=1)
    (tmp_path / "bundle" / NAME).write_text(text)

    assert curve.kept(engine) is None
    assert curve.keep(engine, Curve(2))
    assert curve.kept(engine) == Curve(2)


@pytest.mark.parametrize("most", [0, -1, "many", None])
def test_a_curve_that_cannot_be_is_none(tmp_path: Path, most: object) -> None:
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle")), threads=1)
    curve.keep(engine, Curve(2))
    path = tmp_path / "bundle" / NAME
    (key,) = json.loads(path.read_text())
    path.write_text(json.dumps({key: {"most": most, "tokens": None, "wide": True}}))

    assert curve.kept(engine) is None
