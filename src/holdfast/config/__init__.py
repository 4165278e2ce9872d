"""Every dial there is, composed from presets, files and overrides, and validated."""

from typing import TYPE_CHECKING

from holdfast.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from holdfast.config.compose import Resolved, load_config
    from holdfast.config.schema import Config

__all__ = ["Config", "Resolved", "load_config"]

# Building the schema takes 0.1 s, and taking data in needs none of it.
__getattr__ = lazy_names(__name__, {"compose": ("Resolved", "load_config"), "schema": ("Config",)})
