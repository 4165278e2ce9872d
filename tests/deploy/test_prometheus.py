"""The alert rules and the dashboard speak of what the server really measures, and ring when they should."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import holdfast.deploy
from holdfast.serve.metrics import JournalCounts, Metrics
from holdfast.serve.release_counts import ReleaseCounts

_HERE = Path(holdfast.deploy.__file__).parent
ALERTS, DASHBOARD = _HERE / "prometheus" / "alerts.yaml", _HERE / "grafana" / "dashboard.json"
_NAME = re.compile(r"\b(?:holdfast|process)_[a-z_]+")
promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool, of Prometheus")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


def expressions() -> list[str]:
    """Of the dashboard, with its variables filled in."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    found += [note["expr"] for note in dashboard["annotations"]["list"]]
    return [it.replace("$__rate_interval", "5m").replace("$instance", ".*") for it in found]


def check(*arguments: str | Path) -> None:
    ended = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_whatever_rules_and_dashboard_name_is_measured() -> None:
    metrics = Metrics(waiting=lambda: 0)
    metrics.add(ReleaseCounts([]))
    metrics.add(JournalCounts(SimpleNamespace(counts=lambda: defaultdict(int))))
    metrics.ended("/predict", "POST", 200, 0.1)
    metrics.phase("queue", 0.1)
    measured = set(_NAME.findall(metrics.text().decode()))

    for expression in [*(rule["expr"] for rule in rules()), *expressions()]:
        assert set(_NAME.findall(expression)) - {"holdfast"} <= measured, expression


def test_each_alert_says_what_to_do() -> None:
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "action"}, rule["alert"]


@promtool
def test_prometheus_understands_the_rules_and_the_dashboard(tmp_path: Path) -> None:
    check("check", "rules", ALERTS)
    recorded = [{"record": f"r:{number}", "expr": expr} for number, expr in enumerate(expressions())]
    groups = {"groups": [{"name": "dashboard", "rules": recorded}]}
    (tmp_path / "rules.yaml").write_text(json.dumps(groups))
    check("check", "rules", tmp_path / "rules.yaml")


def series(name: str, each_minute: float, **labels: str) -> dict[str, str]:
    """A counter that grows evenly for a day."""
    marks = ",".join(
        f'{key}="{value}"' for key, value in {"instance": "a:1", "job": "holdfast", **labels}.items()
    )
    return {"series": f"{name}{{{marks}}}", "values": f"0+{each_minute}x1440"}


def requests(each_minute: float, status: str) -> dict[str, str]:
    return series("holdfast_requests_total", each_minute, route="/predict", method="POST", status=status)


def labels(**each_minute: float) -> list[dict[str, str]]:
    return [series("holdfast_labels_total", rate, label=label) for label, rate in each_minute.items()]


@promtool
@pytest.mark.parametrize(
    ("alert", "there", "rings"),
    [
        ("HoldfastOneLabel", labels(owl=100, gull=1), True),
        ("HoldfastOneLabel", labels(owl=60, gull=41), False),
        ("HoldfastOneLabel", labels(owl=0.1), False),  # too few to say
        ("HoldfastBroken", [requests(95, "200"), requests(5, "500")], True),
        ("HoldfastBroken", [requests(50, "200"), requests(50, "503")], False),  # busy, which is another thing
        ("HoldfastBusy", [requests(50, "200"), requests(50, "503")], True),
        ("HoldfastBusy", [requests(99, "200"), requests(1, "503")], False),
        ("HoldfastRefuses", [requests(50, "200"), requests(30, "422"), requests(20, "415")], True),
        ("HoldfastRefuses", [requests(90, "200"), requests(10, "422")], False),
        ("HoldfastJournalLoses", [series("holdfast_journal_records_total", 1, what="lost")], True),
        ("HoldfastJournalLoses", [series("holdfast_journal_records_total", 99, what="written")], False),
        ("HoldfastDown", [{"series": 'up{job="holdfast",instance="a:1"}', "values": "0x1440"}], True),
        ("HoldfastDown", [{"series": 'up{job="holdfast",instance="a:1"}', "values": "1x1440"}], False),
    ],
)
def test_an_alert_rings_when_it_should(
    alert: str, there: list[dict[str, str]], rings: bool, tmp_path: Path
) -> None:
    # In a rule test an expected alert must match in all of its labels and texts; a count needs none of them.
    counted = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)'
    sample = {"labels": "{}", "value": int(rings)}
    test = {
        "interval": "1m",
        "input_series": there,
        "promql_expr_test": [{"expr": counted, "eval_time": "12h", "exp_samples": [sample]}],
    }
    file = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(json.dumps(file))

    check("test", "rules", tmp_path / "test.yaml")
