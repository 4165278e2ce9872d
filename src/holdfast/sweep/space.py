"""The space that a sweep searches, read from Hydra's sweep grammar and checked against the schema."""

import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from holdfast.config import Config
from holdfast.config.compose import validate
from holdfast.core.errors import ConfigError, listed
from holdfast.sweep.dial import Dial

_HINT = "write optim.lr=interval(1e-5,1e-2), model.width=choice(16,32) or train.epochs=range(5,20,5)"
_MOST_CORNERS = 2000
_WHOLE = ("recipe", "size")


def split_overrides(overrides: Sequence[str]) -> tuple[list[Any], list[str]]:
    """The overrides that vary something, parsed, and the ordinary ones as they are.

    Raises:
        ConfigError: with every one that is no override.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, varied, fixed, problems = OverridesParser.create(), [], [], []
    for text in overrides:
        try:
            item = parser.parse_override(text)
        except HydraException:
            problems.append(f"{text}: not an override")
            continue
        if item.is_sweep_override():
            varied.append(item)
        else:
            fixed.append(text)
    if problems:
        raise ConfigError(listed("the command line", problems), hint=_HINT)
    return varied, fixed


def read_dials(varied: Iterable[Any], config: Config) -> tuple[list[Dial], list[str]]:
    """The dials that parsed overrides speak of, and what should be said aloud about them.

    Args:
        varied: as `split_overrides` gave them.
        config: the configuration around them; knows which settings are whole numbers.

    Raises:
        ConfigError: with every problem at once.
    """
    dials: list[Dial] = []
    notes: list[str] = []
    problems: list[str] = []
    for item in varied:
        try:
            dial, said = _dial(item, config)
        except ValueError as error:
            problems.append(f"{item.key_or_group}: {error}")
            continue
        dials.append(dial)
        notes += said
    problems += [f"{key}: given more than once" for key in _twice(dial.key for dial in dials)]
    if problems:
        raise ConfigError(listed("the sweep", problems), hint=_HINT)
    return dials, notes


def check_corners(dials: Sequence[Dial], config: Config) -> None:
    """Refuse a space that holds a value or a combination that no training accepts.

    All combinations of the ends of the dials are tried; of many, 2,000.

    Raises:
        ConfigError: with every problem at once.
    """
    ends = [dial.ends() for dial in dials]
    corners: Iterable[tuple[Any, ...]] = itertools.product(*ends)
    if math.prod(len(values) for values in ends) > _MOST_CORNERS:
        rng = random.Random(0)  # noqa: S311 - nothing secret hangs on it
        corners = [tuple(rng.choice(values) for values in ends) for _ in range(_MOST_CORNERS)]
    problems: dict[str, None] = {}
    for corner in corners:
        settings = {dial.key: value for dial, value in zip(dials, corner, strict=True)}
        try:
            with_settings(config, settings)
        except ConfigError as error:
            problems |= dict.fromkeys(line.strip() for line in error.message.splitlines()[1:])
    if problems:
        raise ConfigError(
            listed("the sweep", list(problems)), hint="see every setting with `holdfast config show`"
        )


def with_settings(config: Config, settings: Mapping[str, Any]) -> Config:
    """The configuration with some settings changed.

    Raises:
        ConfigError: if it is none any more.

    >>> with_settings(Config(), {"optim.lr": 0.1}).optim.lr
    0.1
    """
    values = config.model_dump()
    for key, value in settings.items():
        *parents, last = key.split(".")
        group = values
        for part in parents:
            group = group.setdefault(part, {})
            if not isinstance(group, dict):
                raise ConfigError(f"{key}: unknown setting", hint=_HINT)
        group[last] = value
    return validate(values)


def keys_of(config: BaseModel, prefix: str = "") -> list[str]:
    """The dotted keys of all settings.

    >>> "optim.lr" in keys_of(Config())
    True
    """
    keys = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        keys += keys_of(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else [f"{prefix}{name}"]
    return keys


def type_of(config: Config, key: str) -> Literal["int", "float", "bool", "other"]:
    """What a setting holds.

    Raises:
        ValueError: if there is no such setting.

    >>> type_of(Config(), "train.batch")
    'int'
    """
    group: Any = config
    *parents, last = key.split(".")
    for part in parents:
        group = getattr(group, part, None)
    if not isinstance(group, BaseModel) or last not in type(group).model_fields or key in _WHOLE:
        raise ValueError(_unknown(config, key))
    if isinstance(getattr(group, last), BaseModel):
        raise ValueError("a group of settings; name one of them")
    members = _members(type(group).model_fields[last].annotation)
    return (
        "bool" if bool in members else "int" if int in members else "float" if float in members else "other"
    )


def number_dial(
    config: Config, key: str, low: float, high: float, *, step: float = 0, log: bool | None = None
) -> tuple[Dial, list[str]]:
    """A dial between two numbers: whole ones where the setting is a whole number.

    Args:
        log: None to let the setting decide: learning rates and weight decay that span two or more powers of
            ten are drawn on a log scale.

    Raises:
        ValueError: if the setting is no number, or the ends are not in order.
    """
    kind = type_of(config, key)
    if kind not in ("int", "float"):
        raise ValueError(f"is not a number; write {key}=choice(…)")
    if not low < high:
        raise ValueError(f"the low end {low:g} is not below the high end {high:g}")
    if kind == "int" and any(number != int(number) for number in (low, high, step)):
        raise ValueError(f"is a whole number, but {low:g} to {high:g} by {step or 1:g} has others")
    notes = []
    if log is None:
        leaf = key.rsplit(".", 1)[-1]
        is_rate = leaf == "weight_decay" or "lr" in leaf.split("_")
        log = is_rate and not step and low > 0 and high >= 100 * low
        if log:
            notes.append(
                f"{key} is drawn on a log scale, for it spans {math.log10(high / low):.2g} powers of ten; "
                f"{key}=tag(linear,interval({low:g},{high:g})) draws it evenly"
            )
    if log and low <= 0:
        raise ValueError(f"a log scale needs a low end above 0, got {low:g}")
    return Dial(key, "int" if kind == "int" else "float", low, high, step=step, log=log), notes


def _dial(item: Any, config: Config) -> tuple[Dial, list[str]]:
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

    key, sweep = item.key_or_group, item.value()
    unknown = set(getattr(sweep, "tags", ())) - {"log", "linear"}
    if unknown:
        raise ValueError(f"the tags {', '.join(sorted(unknown))} are not known; there are: linear, log")
    log = "log" in sweep.tags if getattr(sweep, "tags", None) else None
    if isinstance(sweep, ChoiceSweep):
        type_of(config, key)
        return Dial(key, "choice", choices=tuple(_plain(value) for value in sweep.list)), []
    if isinstance(sweep, RangeSweep):
        return _range(config, key, sweep)
    if isinstance(sweep, IntervalSweep):
        return number_dial(config, key, float(sweep.start or 0), float(sweep.end or 0), log=log)
    raise ValueError("glob(…) picks files of presets, which are not swept")


def _range(config: Config, key: str, sweep: Any) -> tuple[Dial, list[str]]:
    """`range(start,stop,step)` leaves `stop` out, as Python and Hydra do."""
    start, step = float(sweep.start or 0), float(sweep.step)
    count = math.ceil((float(sweep.stop) - start) / step - 1e-9)
    if step <= 0 or count < 1:
        raise ValueError(f"range({start:g},{sweep.stop:g},{step:g}) holds nothing")
    whole = type_of(config, key) == "int"
    values = [float(f"{start + number * step:.12g}") for number in range(count)]
    if count == 1:
        return Dial(key, "choice", choices=(int(values[0]) if whole else values[0],)), []
    return number_dial(config, key, values[0], values[-1], step=step, log=False)


def _plain(value: Any) -> Any:
    """A value as Python has it: quoted text of Hydra's grammar without its quotes."""
    return getattr(value, "text", value)


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    if get_origin(annotation) is not None and hasattr(annotation, "__metadata__"):
        return _members(get_args(annotation)[0])
    return [annotation]


def _unknown(config: Config, key: str) -> str:
    if key in _WHOLE:
        return "chooses many settings at once; give it one value and start a sweep for each"
    try:
        with_settings(config, {key: None})
    except ConfigError as error:
        return error.message.splitlines()[-1].partition(": ")[2]
    return "unknown setting"


def _twice(keys: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [key for key in keys if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
