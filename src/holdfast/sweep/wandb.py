"""Reads a `sweep.yaml` of Weights & Biases as it is: its parameters become our dials.

What has no counterpart here is either refused, where leaving it out would change the search, or named in the
notes. The keys are those of https://docs.wandb.ai/models/sweeps/sweep-config-keys.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.config import Config
from holdfast.core.errors import ConfigError, listed
from holdfast.core.refs import did_you_mean
from holdfast.sweep.dial import Dial
from holdfast.sweep.names import METRICS, key_for, metric_for, near_to
from holdfast.sweep.plan import Method, Pruning
from holdfast.sweep.space import number_dial, type_of

_IGNORED = ("program", "command", "project", "entity", "name", "description", "controller", "job", "imageuri")
_TOP = ("method", "metric", "parameters", "early_terminate", "run_cap", *_IGNORED)
_METHODS: dict[str, Method] = {"grid": "grid", "random": "random", "bayes": "tpe"}
_WORDS = {"value", "values", "min", "max", "distribution", "mu", "sigma", "q", "probabilities", "parameters"}


@dataclass(frozen=True)
class Sweep:
    """What a file asked for.

    Attributes:
        fixed: key → value of the settings with one value.
        metric: one of ours, or None for the recipe's own.
        trials: at most; None where the file names no limit.
        notes: what should be said aloud.
    """

    dials: tuple[Dial, ...]
    fixed: dict[str, Any]
    method: Method
    metric: str | None
    pruning: Pruning
    trials: int | None
    target: float | None
    notes: list[str] = field(default_factory=list)


def is_wandb(path: Path) -> bool:
    """Whether a file is such a sweep, and not a file of settings."""
    values = _read(path)
    return isinstance(values.get("parameters"), Mapping)


def read_wandb(path: Path, config: Config) -> Sweep:
    """Read a sweep.

    Args:
        config: the configuration around it; knows the settings that there are.

    Raises:
        ConfigError: with every problem of the file at once.
    """
    values = _read(path)
    problems: list[str] = []
    notes: list[str] = []
    for key in values:
        if key not in _TOP:
            problems.append(f"{key}: unknown key" + _meant(key, _TOP))
    ignored = [key for key in _IGNORED if key in values]
    if ignored:
        notes.append(f"not used from {path.name}: {', '.join(ignored)} (Holdfast trains by itself)")
    dials, fixed = _parameters(values.get("parameters") or {}, config, problems, notes)
    metric, target = _metric(values.get("metric"), problems, notes)
    sweep = Sweep(
        dials=tuple(dials),
        fixed=fixed,
        method=_method(values.get("method"), problems),
        metric=metric,
        pruning=_pruning(values.get("early_terminate"), problems, notes),
        trials=_run_cap(values.get("run_cap"), problems),
        target=target,
        notes=notes,
    )
    if problems:
        raise ConfigError(
            listed(str(path), problems),
            hint="`holdfast config show` lists the settings; docs/sweep.md the names",
        )
    return sweep


def _read(path: Path) -> dict[str, Any]:
    from holdfast.config.compose import read_file

    return read_file(path)


def _parameters(
    parameters: Any, config: Config, problems: list[str], notes: list[str]
) -> tuple[list[Dial], dict[str, Any]]:
    dials: list[Dial] = []
    fixed: dict[str, Any] = {}
    taken: dict[str, str] = {}
    if not isinstance(parameters, Mapping) or not parameters:
        problems.append("parameters: expected names with their values")
        return dials, fixed
    for name, spec in _flat(parameters).items():
        key = key_for(name, config)
        if key is None:
            problems.append(f"parameters.{name}: no setting is called so" + near_to(name, config))
            continue
        if key in taken:
            problems.append(f"parameters.{name}: means {key}, as {taken[key]} does")
            continue
        taken[key] = name
        if key != name:
            notes.append(f"{name} is read as {key}")
        try:
            _one(key, spec, config, dials, fixed)
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"parameters.{name}: {error.args[0] if error.args else error}")
    if not dials and not problems:
        problems.append("parameters: nothing varies; each has one value")
    return dials, fixed


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters under dotted names."""
    flat: dict[str, Any] = {}
    for name, spec in parameters.items():
        if isinstance(spec, Mapping) and isinstance(spec.get("parameters"), Mapping):
            flat |= _flat(spec["parameters"], f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = spec
    return flat


def _one(key: str, spec: Any, config: Config, dials: list[Dial], fixed: dict[str, Any]) -> None:
    if not isinstance(spec, Mapping):
        raise ValueError(f"expected value, values, or min and max, got {spec!r}")
    unknown = sorted(set(spec) - _WORDS)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}" + _meant(unknown[0], _WORDS))
    kind = spec.get("distribution") or _default(spec)
    if kind == "constant":
        fixed[key] = _need(spec, "value")
    elif kind == "categorical":
        if "probabilities" in spec:
            raise ValueError("probabilities are not read; leave them out to draw each value equally often")
        values = _need(spec, "values")
        if not isinstance(values, list) or not values:
            raise ValueError(f"values: expected a list, got {values!r}")
        type_of(config, key)
        if len(values) == 1:
            fixed[key] = values[0]
        else:
            dials.append(Dial(key, "choice", choices=tuple(values)))
    elif kind in _DISTRIBUTIONS:
        dials.append(_DISTRIBUTIONS[kind](key, spec, config))
    else:
        known = [*_DISTRIBUTIONS, "categorical", "constant"]
        raise ValueError(
            f"distribution {kind!r} is not read{_meant(str(kind), known)}; read are: {', '.join(known)}"
        )


def _default(spec: Mapping[str, Any]) -> str:
    if "value" in spec:
        return "constant"
    if "values" in spec:
        return "categorical"
    if "min" in spec and "max" in spec:
        whole = all(isinstance(spec[name], int) for name in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    if "mu" in spec or "sigma" in spec:
        return "normal"
    raise ValueError("expected value, values, or min and max")


def _need(spec: Mapping[str, Any], name: str) -> Any:
    if name not in spec:
        raise ValueError(f"{spec.get('distribution', 'this')} needs {name!r}")
    return spec[name]


def _number(spec: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = _need(spec, name) if default is None else spec.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: expected a number, got {value!r}")
    return float(value)


def _uniform(key: str, spec: Mapping[str, Any], config: Config) -> Dial:
    return number_dial(config, key, _number(spec, "min"), _number(spec, "max"), log=False)[0]


def _q_uniform(key: str, spec: Mapping[str, Any], config: Config) -> Dial:
    step, low, high = _number(spec, "q", 1.0), _number(spec, "min"), _number(spec, "max")
    first, last = math.ceil(low / step - 1e-9) * step, math.floor(high / step + 1e-9) * step
    return number_dial(config, key, float(f"{first:.12g}"), float(f"{last:.12g}"), step=step, log=False)[0]


def _log_values(key: str, spec: Mapping[str, Any], config: Config) -> Dial:
    return number_dial(config, key, _number(spec, "min"), _number(spec, "max"), log=True)[0]


def _log_exponents(key: str, spec: Mapping[str, Any], config: Config) -> Dial:
    """W&B's `log_uniform` gives the exponents of e, not the values."""
    low, high = math.exp(_number(spec, "min")), math.exp(_number(spec, "max"))
    return number_dial(config, key, low, high, log=True)[0]


def _normal(key: str, spec: Mapping[str, Any], config: Config) -> Dial:
    if type_of(config, key) not in ("int", "float"):
        raise ValueError("is not a number; give values")
    mean, deviation = _number(spec, "mu", 0.0), _number(spec, "sigma", 1.0)
    if deviation <= 0:
        raise ValueError(f"sigma: expected a number above 0, got {deviation:g}")
    return Dial(key, "normal", mean, deviation)


def _rounded(make: Callable[[str, Mapping[str, Any], Config], Dial]) -> Any:
    def made(key: str, spec: Mapping[str, Any], config: Config) -> Dial:
        from dataclasses import replace

        return replace(make(key, spec, config), round_to=_number(spec, "q", 1.0))

    return made


def _log_normal(key: str, spec: Mapping[str, Any], config: Config) -> Dial:
    from dataclasses import replace

    return replace(_normal(key, spec, config), log=True)


_DISTRIBUTIONS: dict[str, Callable[[str, Mapping[str, Any], Config], Dial]] = {
    "uniform": _uniform,
    "int_uniform": _uniform,
    "q_uniform": _q_uniform,
    "log_uniform": _log_exponents,
    "log_uniform_values": _log_values,
    "q_log_uniform": _rounded(_log_exponents),
    "q_log_uniform_values": _rounded(_log_values),
    "normal": _normal,
    "q_normal": _rounded(_normal),
    "log_normal": _log_normal,
    "q_log_normal": _rounded(_log_normal),
}


def _metric(metric: Any, problems: list[str], notes: list[str]) -> tuple[str | None, float | None]:
    if metric is None:
        return None, None
    if not isinstance(metric, Mapping) or "name" not in metric:
        problems.append(f"metric: expected name and goal, got {metric!r}")
        return None, None
    for key in sorted(set(metric) - {"name", "goal", "target"}):
        problems.append(f"metric.{key}: unknown key" + _meant(key, ("name", "goal", "target")))
    name = str(metric["name"])
    found = metric_for(name)
    if found is None:
        problems.append(
            f"metric.name: {name!r} is not measured on the validation split; there are: {', '.join(METRICS)}"
        )
        return None, None
    if found != name:
        notes.append(f"metric {name} is read as {found} of the validation split")
    best = "minimize" if found == "loss" else "maximize"
    goal = metric.get("goal")
    if goal is None and best == "maximize":
        notes.append(f"metric.goal is not given; {found} is maximized (W&B would minimize it)")
    elif goal not in (None, best):
        problems.append(f"metric.goal: {found} is there to {best}, got {goal!r}")
    target = metric.get("target")
    if target is not None and not isinstance(target, int | float):
        problems.append(f"metric.target: expected a number, got {target!r}")
        target = None
    return found, None if target is None else float(target)


def _method(method: Any, problems: list[str]) -> Method:
    if method in _METHODS:
        return _METHODS[method]
    problems.append(f"method: expected grid, random or bayes, got {method!r}" + _meant(str(method), _METHODS))
    return "tpe"


def _pruning(early: Any, problems: list[str], notes: list[str]) -> Pruning:
    """Their hyperband has brackets at min_iter, min_iter * eta, …: the rungs of successive halving."""
    if early is None:
        return Pruning("none")
    known = ("type", "min_iter", "max_iter", "s", "eta", "strict")
    if not isinstance(early, Mapping) or early.get("type") != "hyperband":
        kind = early.get("type") if isinstance(early, Mapping) else early
        problems.append(f"early_terminate.type: expected hyperband, got {kind!r}")
        return Pruning("none")
    for key in sorted(set(early) - set(known)):
        problems.append(f"early_terminate.{key}: unknown key" + _meant(key, known))
    try:
        eta = int(_number(early, "eta", 3.0))
        first = _number(early, "min_iter", 0.0)
        if not first and "max_iter" in early:
            first = _number(early, "max_iter") / eta ** int(_number(early, "s"))
    except ValueError as error:
        problems.append(f"early_terminate: {error}")
        return Pruning("none")
    if eta < 2 or first < 1:
        problems.append("early_terminate: expected eta of 2 or more, and min_iter, or max_iter with s")
        return Pruning("none")
    if "strict" in early:
        notes.append("early_terminate.strict is not used: halving here always cuts strictly")
    notes.append(f"early_terminate counts epochs: rungs at {int(first)}, {int(first) * eta}, …")
    return Pruning("halving", int(first), eta)


def _run_cap(cap: Any, problems: list[str]) -> int | None:
    if cap is None or (isinstance(cap, int) and not isinstance(cap, bool) and cap > 0):
        return cap
    problems.append(f"run_cap: expected a whole number above 0, got {cap!r}")
    return None


def _meant(word: str, known: Any) -> str:
    near = did_you_mean(word, known)
    return f"; did you mean {near!r}?" if near else ""
