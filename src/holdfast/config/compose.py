"""From presets, files and overrides to one validated configuration that knows where each value came from.

Hydra composes the presets and reads the overrides; pydantic checks names, types and ranges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from holdfast.config.schema import Config
from holdfast.core.errors import ConfigError, listed
from holdfast.core.refs import did_you_mean

_HINT = "see every setting with `holdfast config show`"
_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
}


@dataclass(frozen=True)
class Resolved:
    """A configuration, and where each of its values came from.

    `sources` maps each dotted key to "default", "recipe NAME", a file's path or "command line". `chosen` are
    the keys that a file or the command line gives another value than the recipe does.
    """

    config: Config
    sources: Mapping[str, str]
    chosen: tuple[str, ...] = ()


def load_config(
    overrides: Sequence[str] = (), *, recipe: str | None = None, files: Sequence[Path] = ()
) -> Resolved:
    """Compose and validate a configuration.

    Later wins: defaults, the recipe, each file, the overrides.

    Args:
        overrides: in Hydra's grammar, such as `optim.lr=3e-4`; `recipe=NAME` picks the preset and
            `size=small` or `size=full` which of its two sizes.
        recipe: the preset if neither an override nor a file names one; `image` by default.
        files: YAML files of settings; the workspace's own first, then that of `--config`.

    Raises:
        ConfigError: with every problem at once.

    >>> load_config(["optim.lr=3e-4"], recipe="text").sources["optim.lr"]
    'command line'
    """
    from omegaconf import OmegaConf

    contents = [(str(path), read_file(path)) for path in files]
    parsed = _parse(overrides)
    name = str(_picked("recipe", parsed, contents) or recipe or "image")
    preset = _preset(name, str(_picked("size", parsed, contents) or "small"))
    layers = [*preset, *contents]
    merged = _merged(layers)
    merged, given = _apply(merged, [item for item in parsed if item.key_or_group != "recipe"])
    values: dict[str, Any] = OmegaConf.to_container(merged, resolve=False)  # type: ignore[assignment]
    _refuse_references(values)
    layers.append(("command line", given))
    sources = {key: origin for origin, layer in layers for key in _flat(layer)}
    config = validate(values, sources)
    values = _flat(config.model_dump())
    before = _flat(validate(OmegaConf.to_container(_merged(preset))).model_dump())  # type: ignore[arg-type]
    chosen = tuple(key for key, value in values.items() if value != before.get(key))
    return Resolved(config, {key: sources.get(key, "default") for key in values}, chosen)


def validate(values: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> Config:
    """Check plain values against the schema.

    Raises:
        ConfigError: with every problem at once, and what each setting may have meant.

    >>> validate({"optim": {"warmpu": 0.1}})
    Traceback (most recent call last):
    holdfast.core.errors.ConfigError: the configuration has 1 problem:
      optim.warmpu: unknown setting; did you mean 'warmup'?
    hint: see every setting with `holdfast config show`
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_problem(detail, sources or {}) for detail in details]
        blamed = {(sources or {}).get(_key(detail), "") for detail in details} - {""}
        title = blamed.pop() if len(blamed) == 1 else "the configuration"
        raise ConfigError(listed(title, problems), hint=_HINT) from None


def recipes() -> list[str]:
    """The names of all presets."""
    return sorted(path.stem for path in (_presets() / "recipe").glob("*.yaml"))


def _presets() -> Path:
    return Path(__file__).with_name("presets")


def _picked(key: str, parsed: Sequence[Any], contents: Sequence[tuple[str, dict[str, Any]]]) -> Any:
    """What the overrides say of a key, else what the files say; the last one wins."""
    named = [values[key] for _, values in contents if key in values]
    named += [item.value() for item in parsed if item.key_or_group == key]
    return named[-1] if named else None


def _preset(name: str, size: str) -> list[tuple[str, dict[str, Any]]]:
    """What a recipe sets in both of its sizes, and what it sets in this one, each with its origin."""
    if name not in recipes():
        near = did_you_mean(name, recipes())
        raise ConfigError(
            f"no recipe {name!r}" + (f"; did you mean {near!r}?" if near else ""),
            hint=f"there are: {', '.join(recipes())}",
        )
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(_presets())):
        values: dict[str, Any] = OmegaConf.to_container(compose("config", [f"recipe={name}"]))  # type: ignore[assignment]
    sizes: dict[str, Any] = values.pop("sizes", {})
    # of a size that there is not, the schema says so
    return [
        (f"recipe {name}", values),
        (f"recipe {name}, size {size}", {"size": size, **sizes.get(size, {})}),
    ]


def _merged(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.merge(*(OmegaConf.create(dict(values)) for _, values in layers))


def read_file(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, with `1e-4` read as a number.

    Raises:
        ConfigError: if there is none.
    """
    from omegaconf import OmegaConf
    from yaml import YAMLError

    try:
        values = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except FileNotFoundError:
        raise ConfigError(f"no file {str(path)!r}", hint="give the path of a YAML file") from None
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror}", hint="give a YAML file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}", hint="see docs/config.md for an example") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no settings", hint="write lines such as `train: {epochs: 5}`")
    return {str(key): value for key, value in values.items()}


def _parse(overrides: Sequence[str]) -> list[Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, problems, parsed = OverridesParser.create(), [], []
    for text in overrides:
        try:
            item = parser.parse_override(text)
        except HydraException:
            problems.append(f"{text}: not an override; write KEY=VALUE, such as optim.lr=3e-4")
            continue
        if item.is_sweep_override():
            problems.append(f"{text}: one value is needed here; `holdfast sweep` tries several")
        elif item.is_delete():
            problems.append(f"{text}: nothing can be taken out; give another value")
        parsed.append(item)
    if problems:
        raise ConfigError(listed("the command line", problems), hint=_HINT)
    return parsed


def _apply(merged: Any, parsed: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """The configuration with the overrides in it, and the overrides alone as a tree."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    given, problems = OmegaConf.create({}), []
    for item in parsed:
        try:
            for tree in (merged, given):
                OmegaConf.update(tree, item.key_or_group, item.value(), merge=True, force_add=True)
        except OmegaConfBaseException as error:
            problems.append(f"{item.input_line}: {str(error).splitlines()[0]}")
    if problems:
        raise ConfigError(listed("the command line", problems), hint=_HINT)
    return merged, OmegaConf.to_container(given, resolve=False)  # type: ignore[return-value]


def _refuse_references(values: Mapping[str, Any]) -> None:
    """`${oc.env:TOKEN}` would put a secret into the configuration that is stored with the run."""
    problems = [
        f"{key}: references such as {value!r} are not read; write the value"
        for key, value in _flat(values).items()
        if "${" in str(value)
    ]
    if problems:
        raise ConfigError(listed("the configuration", problems), hint=_HINT)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _key(detail: ErrorDetails) -> str:
    # pydantic names the chosen member of a union in the path; people do not
    return ".".join(str(part) for part in detail["loc"] if part not in ("image", "audio", "text"))


def _problem(detail: ErrorDetails, sources: Mapping[str, str]) -> str:
    key, kind, got = _key(detail), detail["type"], detail["input"]
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        *parents, last = key.split(".")
        known = _settings_of(parents, detail)
        named = _named(Config) | {name: [name] for name in known}
        near = did_you_mean(last, named)
        text = "unknown setting" + (
            f"; did you mean {' or '.join(map(repr, named[near]))}?"
            if near
            else f"; there are: {', '.join(known)}"
        )
    elif kind in _EXPECTED:
        text = f"expected {_EXPECTED[kind]}, got {got!r}"
    elif kind == "literal_error":
        near = did_you_mean(
            str(got), str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        )
        text = f"expected {context['expected']}, got {got!r}" + (f"; did you mean {near!r}?" if near else "")
    elif kind == "value_error":
        text = str(context["error"])
    else:
        text = f"{detail['msg'][0].lower()}{detail['msg'][1:]}, got {got!r}"
    origin = sources.get(key)
    return (
        (f"{key}: " if key else "")
        + text
        + (f" ({origin})" if origin and len(set(sources.values())) > 1 and kind == "value_error" else "")
    )


def _named(model: type[BaseModel], prefix: str = "") -> dict[str, list[str]]:
    """The settings that end in a name, for those who leave the rest of it out."""
    named: dict[str, list[str]] = {}
    for name, field in model.model_fields.items():
        members = get_args(field.annotation) or (field.annotation,)
        groups = [part for part in members if isinstance(part, type) and issubclass(part, BaseModel)]
        found = [_named(group, f"{prefix}{name}.") for group in groups] or [{name: [f"{prefix}{name}"]}]
        for leaf, keys in ((leaf, keys) for part in found for leaf, keys in part.items()):
            named[leaf] = list(dict.fromkeys([*named.get(leaf, []), *keys]))
    return named


def _settings_of(parents: Sequence[str], detail: ErrorDetails) -> list[str]:
    chosen = [part for part in detail["loc"] if part in ("image", "audio", "text")]
    model: Any = Config
    for part in parents:
        model = _model_in(model.model_fields[part].annotation, chosen)
    return list(model.model_fields)


def _model_in(annotation: Any, chosen: Sequence[Any]) -> type[BaseModel]:
    members: list[type[BaseModel]] = [annotation]
    if get_origin(annotation) in (Union, UnionType):
        members = list(get_args(annotation))
    return next(
        (m for m in members if chosen and m.model_fields["modality"].default == chosen[0]), members[0]
    )
