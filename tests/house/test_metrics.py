"""Metrics have one name each, in one form, and the dashboards and the alerts know no others."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from support.metric_names import exposed_names, metrics
from support.promql import alert_rules, annotation_queries, dashboard_queries
from support.tree import ROOT, anchors

UNITS = (
    *("_total", "_seconds", "_shares", "_dollars", "_entries", "_bytes", "_ratio", "_info"),
    *("_state", "_orders", "_windows", "_tokens"),
)
ON_OFF = re.compile(
    r"pm_(service_(ready|halted|bus_connected)|feed_market_live|userws_channel_up)$"
)
WITHOUT_PANEL = {"pm_simulator_open_orders"}
"""The simulator is not the engine."""
USED = re.compile(r"\bpm_[a-z0-9_]+")


def test_a_metric_is_made_in_one_place() -> None:
    made = Counter(metric.name for metric in metrics())
    assert {name: times for name, times in made.items() if times > 1} == {}


def test_a_metrics_name_ends_in_its_unit() -> None:
    odd = {m for m in metrics() if not m.name.endswith(UNITS) and not ON_OFF.match(m.name)}
    assert odd == set()


def test_the_dashboard_asks_only_for_metrics_that_exist() -> None:
    queries = [*dashboard_queries(), *annotation_queries()]
    used = {name for query in queries for name in USED.findall(query.expression)}
    assert used - exposed_names() == set()


def test_each_metric_has_a_panel() -> None:
    used = {name for query in dashboard_queries() for name in USED.findall(query.expression)}
    asked = {re.sub("_(bucket|sum|count)$", "", name) for name in used}
    assert {metric.name for metric in metrics()} - asked - WITHOUT_PANEL == set()


def test_the_alerts_ask_only_for_metrics_that_exist() -> None:
    used = {name for rule in alert_rules() for name in USED.findall(rule.expression)}
    assert used - exposed_names() == set()


def test_each_alert_says_what_it_means_and_what_to_do() -> None:
    answers = anchors((ROOT / "docs/runbook.md").read_text())
    incomplete = {
        rule.name
        for rule in alert_rules()
        if not rule.summary or rule.runbook.partition("#")[2] not in answers
    }
    assert incomplete == set()


@pytest.mark.parametrize(
    ("alert", "said", "figure"),
    [
        ("HeartbeatLate", "for more than 10 seconds", "> 10"),
        ("BookStale", "for more than 5 seconds", "> 5"),
        ("CommandsPending", "for more than 2 seconds", "> 2"),
        ("BooksMismatched", "More than 1 in 1,000", "> 0.001 *"),
        ("NotQuoting", "for more than 100 of 120 seconds", "[2m])) > 100"),
        ("ResidualNearTheEnd", "Less than 30 s before the close", "> 0 <= 30"),
        ("ResidualNearTheEnd", "for Prometheus 10", ">= 10"),
        ("ClockSkew", "by more than 1 s, for longer than a minute", "[1m]) > 1"),
        ("DiskNearlyFull", "Less than 5 %", "< 0.05"),
    ],
)
def test_the_runbook_gives_the_figures_of_the_alerts(alert: str, said: str, figure: str) -> None:
    (rule,) = [rule for rule in alert_rules() if rule.name == alert]
    title = rule.runbook.partition("#")[2]
    sections = (ROOT / "docs/runbook.md").read_text().split("\n### ")
    (section,) = [text for text in sections if anchors(f"# {text.splitlines()[0]}") == {title}]
    assert said in re.sub(r"\s+", " ", section)
    assert figure in rule.expression
