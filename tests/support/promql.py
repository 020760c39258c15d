"""What the dashboard and the alerts ask Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from support.tree import ROOT

DASHBOARDS = ROOT / "grafana/dashboards"
ALERTS = ROOT / "prometheus/alerts.yml"
BETWEEN = re.compile(r"\s(?:[<>]=?|[!=]=|or|(?:and|unless)(?:\s+on\s+\([^)]*\))?)\s+(?:bool\s+)?")
"""What stands between the parts of an alert's expression that are asked by themselves."""
NUMBER = re.compile(r"-?[0-9.]+")
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
    severity: str


def dashboard_queries() -> list[Query]:
    """Every query of every dashboard, its variables filled in."""
    return [
        Query(panel["title"], _filled_in(target["expr"]))
        for file in sorted(DASHBOARDS.glob("*.json"))
        for panel in _panels(json.loads(file.read_text()))
        for target in panel.get("targets", ())
    ]


def annotation_queries() -> list[Query]:
    """Every query of an annotation, once: the dashboards have the same ones."""
    return sorted(
        {
            Query(one["name"], _filled_in(one["expr"]))
            for file in DASHBOARDS.glob("*.json")
            for one in json.loads(file.read_text())["annotations"]["list"]
        }
    )


def alert_rules() -> list[Rule]:
    """Every alerting rule."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [
        Rule(
            rule["alert"],
            rule["expr"],
            rule.get("annotations", {}).get("summary", ""),
            rule.get("annotations", {}).get("runbook", ""),
            rule.get("labels", {}).get("severity", ""),
        )
        for group in groups
        for rule in group["rules"]
    ]


def judged(rule: Rule) -> list[str]:
    """What must have data for a rule to be able to fire: its parts, without those it excludes."""
    parts, start, wanted = [], 0, True
    for match in BETWEEN.finditer(rule.expression):
        if _depth(rule.expression[: match.start()]) == 0:
            parts += [rule.expression[start : match.start()].strip()] if wanted else []
            start, wanted = match.end(), "unless" not in match.group()
    parts += [rule.expression[start:].strip()] if wanted else []
    return [part for part in parts if not NUMBER.fullmatch(part)]


def _depth(text: str) -> int:
    return text.count("(") - text.count(")")


def _panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def _filled_in(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression
