"""The dials of a release: how a version comes into service."""

from typing import Annotated

from annotated_types import Ge, Gt, Le

from holdfast.config.prepare import Count, Settings

_Part = Annotated[float, Gt(0), Le(1)]


class CanaryConfig(Settings):
    """A version that answers a share of the requests, and is dropped when it fails or is slow."""

    model: str | None = None
    """Such as `birds@challenger`; it is followed when that alias moves."""
    share: _Part = 0.1
    """Of the requests that it answers. One that fails there is answered by the steady version."""
    requests: Count = 50
    """Of its own, before it is judged."""
    failures: Annotated[float, Ge(0), Le(1)] = 0.01
    """Share of its requests that may fail, beyond the share that fails at the steady version."""
    slower: Annotated[float, Ge(1)] = 1.5
    """Times the steady version's time for nine of ten requests, beyond which it is too slow."""


class ShadowConfig(Settings):
    """A version that is asked too, after the answer was given, and is only compared."""

    model: str | None = None
    """Such as `birds@challenger`; it is followed when that alias moves."""
    share: _Part = 1.0
    """Of the requests that it is asked too."""
