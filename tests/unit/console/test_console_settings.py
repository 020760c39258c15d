"""Which names the console may be reached by."""

from __future__ import annotations

import pytest

from pmconsole.settings import ConsoleSettings
from pmcore.shell.settings.common import check_settings


def test_hosts_are_names_without_ports() -> None:
    settings, problems = check_settings(ConsoleSettings, {"PM_CONSOLE_HOSTS": "Desk.lan, [::2],a"})
    assert problems == []
    assert settings is not None
    assert settings.console_hosts == ("desk.lan", "[::2]", "a")


@pytest.mark.parametrize("wrong", ["desk:80", "http://desk", "*", "a b", "-"])
def test_what_is_no_host_is_refused(wrong: str) -> None:
    _, problems = check_settings(ConsoleSettings, {"PM_CONSOLE_HOSTS": wrong})
    assert [problem.variable for problem in problems] == ["PM_CONSOLE_HOSTS"]


def test_it_has_no_field_for_redis_or_the_account() -> None:
    names = ConsoleSettings.model_fields
    assert [name for name in names if "redis" in name or "api" in name or "private" in name] == []
