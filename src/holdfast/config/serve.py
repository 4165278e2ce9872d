"""Every dial of serving."""

from typing import Annotated

from annotated_types import Ge, Le

from holdfast.config.prepare import Count, NotNegative, Positive, Settings


class ServeConfig(Settings):
    """How predictions are served."""

    host: str = "127.0.0.1"
    """Address to listen on; the default can be reached from this machine only."""
    port: Annotated[int, Ge(0), Le(65535)] = 8000
    """0 takes a free port."""
    max_mb: Positive = 25.0
    """Largest request body."""
    max_files: Count = 64
    """Most files in one request."""
    threads: Annotated[int, Ge(0)] = 0
    """Decoding and inference threads; 0 takes all cores."""
    batch: Count = 8
    """Most samples joined into one run of the graph."""
    wait_ms: NotNegative = 0.0
    """Milliseconds that a sample waits for others to join it."""
    metrics: bool = True
    """Answer `/metrics` for Prometheus."""
    log: bool = False
    """Write a line of JSON for each request to stderr."""
