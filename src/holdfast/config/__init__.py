"""Every dial there is, composed from presets, files and overrides, and validated."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.config.compose import Resolved, load_config
    from holdfast.config.schema import Config

__all__ = ["Config", "Resolved", "load_config"]


def __getattr__(name: str) -> Any:
    """Load the schema when it is asked for: building it takes 0.1 s, and taking data in needs none of it."""
    if name == "Config":
        from holdfast.config.schema import Config

        return Config
    if name in __all__:
        from holdfast.config import compose

        return getattr(compose, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
