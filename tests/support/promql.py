"""What the dashboard and the alerts ask Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from support.tree import ROOT

DASHBOARDS = ROOT / "grafana/dashboards"
ALERTS = ROOT / "prometheus/alerts.yml"
VARIABLES = {"$__rate_interval": "30s", "$__range": "5m", "$series": ".+"}


class Query(NamedTuple):
    """One query of a panel."""

    panel: str
    expression: str


class Rule(NamedTuple):
    """One alerting rule."""

    name: str
    expression: str
    summary: str
    runbook: str


def dashboard_queries() -> list[Query]:
    """Every query of every dashboard, its variables filled in."""
    return [
        Query(panel["title"], _filled_in(target["expr"]))
        for file in sorted(DASHBOARDS.glob("*.json"))
        for panel in _panels(json.loads(file.read_text()))
        for target in panel.get("targets", ())
    ]


def alert_rules() -> list[Rule]:
    """Every alerting rule."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [
        Rule(
            rule["alert"],
            rule["expr"],
            rule.get("annotations", {}).get("summary", ""),
            rule.get("annotations", {}).get("runbook", ""),
        )
        for group in groups
        for rule in group["rules"]
    ]


def _panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def _filled_in(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression
