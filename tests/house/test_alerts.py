"""Each alert is tested both ways, and what it watches is there before it happens."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.venue.unusable import PROTOCOL_REASONS
from pmexecutor.metrics import ExecutorMetrics
from pmfeed.metrics import FeedMetrics
from pmstrategy.metrics import StrategyMetrics
from pmuserws.metrics import UserwsMetrics
from support.alert_cases import alert_cases
from support.engine_driver import quoting_driver
from support.promql import alert_rules

RISES = re.compile(r"increase\((pm_([a-z]+)_\w+)(?:\{(\w+)=~?\"([^\"]+)\"\})?\[")
MAKERS: dict[str, Callable[[ServiceMetrics], object]] = {
    "executor": ExecutorMetrics,
    "feed": FeedMetrics,
    "userws": UserwsMetrics,
}


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    cases = alert_cases()
    assert {rule.name for rule in alert_rules()} == cases.keys()
    assert [name for name, case in cases.items() if not case.fires or not case.silent] == []


def test_no_two_alerts_have_one_name() -> None:
    names = [rule.name for rule in alert_rules()]
    assert sorted(set(names)) == sorted(names)


def test_each_alert_has_a_known_severity() -> None:
    assert {rule.severity for rule in alert_rules()} == {"critical", "warning"}


def sample_of_zero(name: str, label: str, values: str) -> str:
    return rf"^{name}{{.*{label}=\"({values})\".*}} 0" if label else rf"^{name}({{.*}})? 0"


@pytest.mark.parametrize("service", MAKERS)
def test_a_counter_is_there_before_what_its_alert_waits_for(service: str) -> None:
    """`increase` does not see the first step of a series that begins with it."""
    metrics = ServiceMetrics(service, version="1", mode="sim")
    MAKERS[service](metrics)
    shown = metrics.render().decode()
    watched = {
        (name, label, values)
        for rule in alert_rules()
        for name, of, label, values in RISES.findall(rule.expression)
        if of == service
    }
    assert watched
    missing = {
        (name, label, values)
        for name, label, values in watched
        if not re.search(sample_of_zero(name, label, values), shown, re.MULTILINE)
    }
    assert missing == set()


def test_the_alert_about_messages_names_the_reasons_of_the_parsers() -> None:
    (rule,) = [rule for rule in alert_rules() if rule.name == "UnknownMessages"]
    told = {values for _, _, _, values in RISES.findall(rule.expression)}
    (pattern,) = told
    assert [reason for reason in PROTOCOL_REASONS if not re.fullmatch(pattern, reason)] == []


def test_the_strategys_counters_are_there_with_the_first_look_at_a_window() -> None:
    metrics = ServiceMetrics("strategy", version="1", mode="sim")
    StrategyMetrics(metrics).count([quoting_driver().session])
    shown = metrics.render().decode()
    watched = {
        name
        for rule in alert_rules()
        for name, of, _, _ in RISES.findall(rule.expression)
        if of == "strategy"
    }
    assert "pm_strategy_limit_violations_total" in watched
    assert {name for name in watched if f"\n{name}{{" not in shown} == set()
