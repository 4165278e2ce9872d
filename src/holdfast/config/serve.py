"""Every dial of serving."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le
from pydantic import BeforeValidator, ValidationError

from holdfast.config.background import BulkConfig, JobConfig
from holdfast.config.prepare import Count, NotNegative, Positive, Settings
from holdfast.config.protection import LimitConfig, Many, OidcConfig, origin_of
from holdfast.config.release import CanaryConfig, ShadowConfig


class JournalConfig(Settings):
    """What is kept of predictions, and where."""

    where: str | None = None
    """A folder, `s3://bucket/prefix` or `gs://bucket/prefix`; nothing is kept without it."""
    inputs: Annotated[float, Ge(0), Le(1)] = 0.0
    """Share of predictions whose input is kept, by id; the review page shows these."""
    private: bool = False
    """Keep neither inputs nor names nor the callers' request ids, whatever else is set."""
    days: Positive | None = None
    """What is older is removed, hourly; nothing is without it."""
    segment_s: Annotated[float, Gt(0), Le(3600)] = 300.0
    """A file is finished, and then moved where `where` is a bucket, at the latest after so many seconds."""
    spool: str | None = None
    """Folder where files wait for a bucket; by default in the user's cache."""
    spool_mb: Positive = 1000.0
    """Most megabytes that wait there; what does not fit is lost, and counted."""


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
    """Most samples joined into one run of the graph; how many of them pay is measured."""
    queue: Count = 1024
    """Most rows of the graph that wait: pictures, texts, or windows of sounds."""
    promise_s: Positive = 10.0
    """Seconds within which an answer is promised: what would come later is refused at once, with 503."""
    linger_s: NotNegative = 2.0
    """Seconds after SIGTERM in which requests are still taken, while `/readyz` says that the end is near."""
    metrics: bool = True
    """Answer `/metrics` for Prometheus."""
    log: bool = False
    """Write a line of JSON for each request to stderr."""
    otel: bool = False
    """Send a trace of each request by OTLP, as the OTEL_… variables say.

    OTEL_EXPORTER_OTLP_ENDPOINT turns it on too.
    """
    journal: JournalConfig = JournalConfig()
    keys: str | None = None
    """File of API keys, without one of which nothing is answered; the workspace's own if it has one."""
    open: bool = False
    """Listen beyond this machine although anybody may ask."""
    open_metrics: bool = False
    """Answer `/metrics` without a key too."""
    cors: Annotated[tuple[Annotated[str, BeforeValidator(origin_of)], ...], Many] = ()
    """Origins whose pages may ask and read, such as `[https://app.example.com]`; our own may always."""
    limits: LimitConfig = LimitConfig()
    oidc: OidcConfig = OidcConfig()
    follow_s: NotNegative = 2.0
    """Seconds between two looks whether an alias has moved, which is then followed; 0 does not look."""
    canary: CanaryConfig = CanaryConfig()
    shadow: ShadowConfig = ShadowConfig()
    trust: Annotated[tuple[str, ...], Many] = ()
    """Files of public keys; only models that one of them has signed are served."""
    bulk: BulkConfig = BulkConfig()
    jobs: JobConfig = JobConfig()


_PLAIN = re.compile(r"serve((?:\.[a-z][a-z0-9_]*)+)=([A-Za-z0-9_./:@-]+)", re.ASCII)


def quick_settings(overrides: Sequence[str]) -> ServeConfig | None:
    """The settings of serving from plain overrides alone, without loading what composes all settings.

    That takes a third of the time that a server has to start. Anything that is not as plain as
    `serve.port=9000`, or is wrong, gives None: the whole way knows more, and says what is wrong.

    >>> quick_settings(["serve.port=9000", "serve.limits.rate=5"]).limits.rate
    5.0
    >>> quick_settings(["serve.prot=9000"]), quick_settings(["serve.cors=[a,b]"])
    (None, None)
    """
    values: dict[str, Any] = {}
    for override in overrides:
        if not (match := _PLAIN.fullmatch(override)):
            return None
        *groups, name = match[1][1:].split(".")
        place = values
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                return None
        place[name] = None if match[2] == "null" else match[2]
    try:
        return ServeConfig.model_validate(values)
    except ValidationError:
        return None
