"""Versions, aliases behind gates, and an audit log, in plain files."""

from holdfast.registry.gate import Shown, failures
from holdfast.registry.registry import CHAMPION, Promotion, Registry

__all__ = ["CHAMPION", "Promotion", "Registry", "Shown", "failures"]
