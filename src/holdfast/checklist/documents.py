"""YAML, TOML and JSON that nobody vouches for, read within limits."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

_MAX_CHARS = 256 << 10
_MAX_DEPTH = 50
_MAX_PARTS = 50_000
"""Of a document with each alias written out: a few lines of YAML can stand for thousands of millions."""

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Plain values; a tag of another program is read as what it stands on, and makes nothing."""


def _plain(loader: Any, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("", _plain)


def read_yaml(text: str) -> list[Any]:
    """The documents of a YAML text; none where it is damaged, too large, too deep, or a bomb.

    >>> read_yaml("a: &x [1]\\nb: *x")
    [{'a': [1], 'b': [1]}]
    >>> read_yaml("a: [")
    []
    """
    if len(text) > _MAX_CHARS:
        return []
    try:
        if not _is_small(text):
            return []
        return [item for item in yaml.load_all(text, Loader=_Loader) if item is not None]
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return []


def _is_small(text: str) -> bool:
    """Whether the text, with its aliases written out, stays within the limits."""
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:  # of itself, or of nothing
                return False
            total += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            total += 1
            opened.append((event.anchor, total))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = total - before + 1
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if len(opened) > _MAX_DEPTH or total > _MAX_PARTS:
            return False
    return True


def read_toml(text: str) -> dict[str, Any]:
    """A TOML text; empty where it is damaged or too large."""
    try:
        return tomllib.loads(text) if len(text) <= _MAX_CHARS else {}
    except (ValueError, RecursionError):
        return {}


def read_json(text: str) -> Any:
    """A JSON text; None where it is damaged or too large."""
    try:
        return json.loads(text) if len(text) <= _MAX_CHARS else None
    except (ValueError, RecursionError):
        return None


def parts(value: Any, depth: int = _MAX_DEPTH) -> Iterator[tuple[str, Any]]:
    """Each key with its value, and each item of a list with an empty key, at any depth.

    >>> list(parts({"a": [1]}))
    [('a', [1]), ('', 1)]
    """
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key), item
            if depth:
                yield from parts(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            yield "", item
            if depth:
                yield from parts(item, depth - 1)


def at(value: Any, *keys: str) -> Any:
    """What lies under keys within keys; None where it does not.

    >>> at({"a": {"b": 1}}, "a", "b"), at([], "a")
    (1, None)
    """
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def texts(value: Any) -> list[str]:
    """A text, or those of a list, as a list.

    >>> texts("a"), texts(["a", 1]), texts(None)
    (['a'], ['a', '1'], [])
    """
    if isinstance(value, list):
        return [str(item) for item in value if not isinstance(item, dict | list)]
    return [] if value is None or isinstance(value, dict) else [str(value)]
