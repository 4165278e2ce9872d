"""What Prometheus is told of the versions in service."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from holdfast.serve.release import Release


class ReleaseCounts(Collector):
    """The versions that answer, and what the canary and the shadow have done so far."""

    def __init__(self, releases: Sequence[Release]) -> None:
        self._releases = releases

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """See prometheus_client."""
        models = GaugeMetricFamily(
            "holdfast_model", "A version in service.", labels=["ref", "digest", "role"]
        )
        canary = CounterMetricFamily("holdfast_canary_requests", "Of the canary.", labels=["ref", "outcome"])
        shadow = CounterMetricFamily(
            "holdfast_shadow_items", "That the shadow was asked too.", labels=["ref", "outcome"]
        )
        refused = 0
        for release in self._releases:
            for role, live in release.lives.items():
                models.add_metric([live.ref, live.engine.bundle.digest, role], 1)
            refused += len(release.refused)
            if trial := release.canary:
                own = trial.own
                canary.add_metric([trial.live.ref, "failed"], own.failed)
                canary.add_metric([trial.live.ref, "answered"], own.requests - own.failed)
            if it := release.shadow:
                outcomes = {
                    "agreed": it.agreed,
                    "differed": it.compared - it.agreed,
                    "failed": it.failed,
                    "missed": it.missed,
                }
                for outcome, count in outcomes.items():
                    shadow.add_metric([it.live.ref, outcome], count)
        yield models
        yield canary
        yield shadow
        yield GaugeMetricFamily("holdfast_refused_versions", "That were not taken.", value=refused)
