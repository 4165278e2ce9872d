"""Names of a package that load their modules only when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A `__getattr__` for a package.

    Args:
        package: its whole name.
        modules: of it, each with the names that come from there; none is called like its module.

    >>> find = lazy_names("holdfast.core", {"cores": ["quota"]})
    >>> find("quota").__module__
    'holdfast.core.cores'
    """
    homes = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find
