"""What a sweep is asked for, read and checked whole before its first trial."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.config import Config, Resolved
from holdfast.config.effect import deciders, without_effect
from holdfast.core.errors import ConfigError, DataError
from holdfast.core.files import digest_bytes, read_json
from holdfast.core.refs import check_name
from holdfast.core.workspace import Workspace
from holdfast.data import Version
from holdfast.evaluate import HEADLINE
from holdfast.sweep import Plan, Pruning, check_corners, is_wandb, read_dials, read_wandb
from holdfast.sweep.plan import Method
from holdfast.sweep.space import split_overrides
from holdfast.workflows.training import config_for, resolved_for

DEFINITION = "sweep.json"
TRIALS = 20
"""Of a sweep that nobody gave a number."""
_MOST_GRID = 100_000


@dataclass(frozen=True)
class Options:
    """How a sweep goes about it; None lets the file of W&B or the space decide.

    Attributes:
        name: of the sweep; made from what it does by default, so that the same command goes on with it.
        trials: in all, also over several calls.
        workers: processes.
        method: grid, random or tpe.
        prune: median, halving or none.
        seed: same seed, same draws.
        register: whether to train, export and register the best settings at the end.
    """

    name: str | None = None
    trials: int | None = None
    workers: int = 1
    method: Method | None = None
    prune: str | None = None
    seed: int = 0
    register: bool = False


@dataclass(frozen=True)
class Definition:
    """What every process that works on a sweep reads from its `sweep.json`.

    Attributes:
        dataset: one version, such as `birds@3`.
        config: the settings that no dial changes.
        trials: how many at most; not part of the sweep's name, so that more can be asked for later.
        fixed: the overrides that the best settings are trained with again.
    """

    name: str
    dataset: str
    fingerprint: str
    config: Config
    plan: Plan
    trials: int
    fixed: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return {
            **self.__dict__,
            "config": self.config.model_dump(),
            "plan": self.plan.to_json(),
        }

    @classmethod
    def read(cls, folder: Path) -> "Definition":
        """What `to_json` gave."""
        found = read_json(folder / DEFINITION)
        return cls(
            **{
                **found,
                "config": Config.model_validate(found["config"]),
                "plan": Plan.from_json(found["plan"]),
                "fixed": tuple(found["fixed"]),
                "notes": tuple(found["notes"]),
            }
        )


def define(
    version: Version,
    workspace: Workspace,
    overrides: Sequence[str],
    config_file: Path | None,
    options: Options,
) -> Definition:
    """Read all that was asked for, and refuse it before anything is written."""
    foreign, overrides, config_file = _foreign(overrides, config_file)
    varied, fixed = split_overrides(overrides)
    config = config_for(version, workspace, fixed, config_file)
    dials, notes = read_dials(varied, config)
    asked = read_wandb(foreign, config) if foreign else None
    if asked:
        # what the command line says of a dial is nearer than what the file says
        named = {dial.key for dial in dials} | {text.partition("=")[0].lstrip("+") for text in fixed}
        dials = [*(dial for dial in asked.dials if dial.key not in named), *dials]
        fixed = [*(override(k, v) for k, v in asked.fixed.items() if k not in named), *fixed]
        notes = [*asked.notes, *notes]
        if asked.metric:
            fixed.append(f"train.monitor={asked.metric}")
    resolved = resolved_for(version, workspace, fixed, config_file)
    config = resolved.config
    if not dials:
        raise ConfigError(
            "nothing varies in this sweep",
            hint="name at least one range, such as optim.lr=interval(1e-5,1e-2)",
        )
    check_corners(dials, config)
    notes = [*notes, *_unused(resolved, [dial.key for dial in dials])]
    if not len(version.validation()):
        raise DataError(
            f"{version.info.name}@{version.info.version} has no samples to validate on",
            hint="add more samples, or add the data again with a larger --valid",
        )
    monitor = config.train.monitor
    metric = HEADLINE[version.info.task] if monitor == "auto" else monitor
    plan = Plan(
        dials=tuple(dials),
        method="tpe",
        metric=metric,
        maximize=metric != "loss",
        pruning=_pruning(options, asked.pruning if asked else None, config),
        seed=options.seed,
        target=asked.target if asked else None,
    )
    plan, most = _method(plan, options, asked, notes)
    dataset = f"{version.info.name}@{version.info.version}"
    parts = [version.info.fingerprint, config.model_dump(exclude={"serve", "gate"}), plan.to_json()]
    digest = digest_bytes(json.dumps(parts, sort_keys=True).encode())
    name = check_name(options.name) if options.name else f"{version.info.name}-{digest[:8]}"
    return Definition(name, dataset, version.info.fingerprint, config, plan, most, tuple(fixed), tuple(notes))


def _unused(resolved: Resolved, varied: Sequence[str]) -> list[str]:
    """What has no effect in any trial; where a dial decides that, some trial may read it."""
    keys = dict.fromkeys([*resolved.chosen, *varied])
    return without_effect(resolved.config, [key for key in keys if not set(varied) & set(deciders(key))])


def _foreign(
    overrides: Sequence[str], config_file: Path | None
) -> tuple[Path | None, list[str], Path | None]:
    """The file of W&B, if one is given either way; the other overrides; the file of settings."""
    files = [Path(text) for text in overrides if "=" not in text and text.endswith((".yaml", ".yml"))]
    rest = [text for text in overrides if Path(text) not in files]
    if config_file is not None and is_wandb(config_file):
        files.append(config_file)
        config_file = None
    for file in files:
        if not is_wandb(file):
            raise ConfigError(
                f"{file} is no sweep.yaml of W&B: it has no parameters",
                hint="give settings with --config FILE",
            )
    if len(files) > 1:
        raise ConfigError(f"{len(files)} sweep files are given", hint="give one")
    return (files[0] if files else None), rest, config_file


def _pruning(options: Options, asked: Pruning | None, config: Config) -> Pruning:
    if options.prune is None and asked is not None:
        return asked
    if options.prune == "none":
        return Pruning("none")
    if options.prune == "halving":
        return Pruning("halving", 1, 3)
    # the first epochs, of the warm-up above all, say little
    return Pruning("median", -(-config.train.epochs // 4))


def _method(plan: Plan, options: Options, asked: Any, notes: list[str]) -> tuple[Plan, int]:
    """How values are picked, and how many trials that makes: a small grid is tried whole."""
    size = plan.grid_size()
    limit = options.trials or (asked.trials if asked else None)
    method: Method | None = options.method or (asked.method if asked else None)
    if method is None:
        # not by --trials, for asking for more later must not make it another sweep
        method = "grid" if size is not None and size <= TRIALS else "tpe"
    if method == "grid":
        if size is None:
            endless = [dial.key for dial in plan.dials if dial.grid() is None]
            raise ConfigError(
                f"a grid needs values that can be counted, but {', '.join(endless)} has none",
                hint="write choice(…) or range(start,stop,step), or take --method tpe",
            )
        if size > _MOST_GRID:
            raise ConfigError(f"the grid has {size:,} combinations", hint="take --method tpe --trials 100")
        notes.append(
            f"all {size} combinations" if (limit or size) >= size else f"{limit} of {size} combinations"
        )
        limit = min(size, limit or size)
    elif limit is None:
        notes.append(f"{TRIALS} trials, for nothing says how many; --trials N asks for more")
    return Plan(**{**plan.__dict__, "method": method}), limit or TRIALS


def override(key: str, value: Any) -> str:
    """A setting in Hydra's grammar.

    >>> override("model.name", "hf"), override("train.max_minutes", None)
    ('model.name=hf', 'train.max_minutes=null')
    """
    if (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z_][\w./-]*", value)
        and value not in ("null", "true", "false")
    ):
        return f"{key}={value}"
    return f"{key}={json.dumps(value, ensure_ascii=False)}"
