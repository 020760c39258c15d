"""Which names the console may be reached by."""

from __future__ import annotations

from pathlib import Path

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


def test_nobody_is_notified_unless_addresses_are_given() -> None:
    settings, problems = check_settings(ConsoleSettings, {})
    assert problems == []
    assert settings is not None
    assert settings.notify_urls == ()


def test_addresses_have_spaces_or_lines_between_and_are_not_shown() -> None:
    given = {"PM_NOTIFY_URLS": "json://desk.lan/hidden-path\n discord://1234567890/a-b-c-d-e-f"}
    settings, problems = check_settings(ConsoleSettings, given)
    assert problems == []
    assert settings is not None
    assert len(settings.notify_urls) == 2
    assert "hidden-path" not in repr(settings)


def test_an_address_that_cannot_be_used_is_one_line_without_it() -> None:
    given = {"PM_NOTIFY_URLS": "json://desk.lan/x no-scheme-at-all telegrm://12345:secret-part/1"}
    _, problems = check_settings(ConsoleSettings, given)
    (line,) = [str(problem) for problem in problems]
    assert line.startswith("PM_NOTIFY_URLS")
    assert "address 2 (without a scheme" in line
    assert "address 3 (telegrm://)" in line
    assert "secret-part" not in line
    assert "no-scheme-at-all" not in line
    assert "\n" not in line


def test_the_addresses_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text("json://desk.lan/x\n")
    settings, problems = check_settings(ConsoleSettings, {"PM_NOTIFY_URLS_FILE": str(path)})
    assert problems == []
    assert settings is not None
    assert settings.notify_urls == ("json://desk.lan/x",)
