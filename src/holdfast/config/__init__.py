"""Every dial there is, composed from presets, files and overrides, and validated."""

from holdfast.config.compose import Resolved, load_config
from holdfast.config.schema import Config

__all__ = ["Config", "Resolved", "load_config"]
