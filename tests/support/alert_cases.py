"""When each alert fires and when not: the cases of tests/integration/alert_cases.yml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from support.promql import Rule, alert_rules
from support.tree import ROOT

CASES = ROOT / "tests/integration/alert_cases.yml"
BEFORE, AFTER = "45s", "145s"
SILENT_AT = (BEFORE, "95s", AFTER)


class AlertCase(NamedTuple):
    """Input series by name, and what the alert says when it fires."""

    fires: Mapping[str, str]
    silent: Mapping[str, str]
    summary: str
    labels: Mapping[str, str] = {}


def alert_cases() -> dict[str, AlertCase]:
    """By the alert's name; one that lacks a field is a `TypeError`."""
    written = yaml.safe_load(CASES.read_text())
    return {name: AlertCase(**fields) for name, fields in written.items()}


def promtool_tests() -> dict[str, Any]:
    """The file for `promtool test rules`: a story that fires and one that does not, a rule."""
    cases = alert_cases()
    stories = [
        story
        for rule in alert_rules()
        if (case := cases.get(rule.name)) is not None
        for story in (_firing(rule, case), _silent(rule, case))
    ]
    return {"rule_files": ["alerts.yml"], "evaluation_interval": "5s", "tests": stories}


def _firing(rule: Rule, case: AlertCase) -> dict[str, Any]:
    fired = {
        "exp_labels": {"severity": rule.severity, **case.labels},
        "exp_annotations": {"summary": case.summary, "runbook": rule.runbook},
    }
    return {
        "name": f"{rule.name} fires",
        "interval": "5s",
        "input_series": _series(case.fires),
        "alert_rule_test": [_expect(rule, BEFORE), _expect(rule, AFTER, fired)],
    }


def _silent(rule: Rule, case: AlertCase) -> dict[str, Any]:
    return {
        "name": f"{rule.name} is silent",
        "interval": "5s",
        "input_series": _series(case.silent),
        "alert_rule_test": [_expect(rule, at) for at in SILENT_AT],
    }


def _expect(rule: Rule, at: str, *alerts: dict[str, Any]) -> dict[str, Any]:
    return {"alertname": rule.name, "eval_time": at, "exp_alerts": list(alerts)}


def _series(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": text} for name, text in values.items()]
